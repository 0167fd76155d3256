"""Signing in, and MODE: what belongs to persons."""

from django.urls import URLPattern, URLResolver, path

from accounts.views import break_glass, mode, sessions, signing_in

# Of allauth only what is named here is reachable; its own names are kept where it looks for its pages by them.
urlpatterns: list[URLPattern | URLResolver] = [
    path("connexion/", signing_in.sign_in, name="sign_in"),
    path("connexion/retour/", signing_in.callback, name="cerbere_callback"),
    path("connexion/fin/", signing_in.signed_out, name="signed_out"),
    path("connexion/sessions/", sessions.open_sessions, name="open_sessions"),
    path("connexion/session/", sessions.session_state, name="session_state"),
    path("connexion/secours/", break_glass.SignIn.as_view(), name="account_login"),
    path("connexion/secours/code/", break_glass.SecondFactor.as_view(), name="mfa_authenticate"),
    path("connexion/secours/second-facteur/", break_glass.Enrol.as_view(), name="mfa_activate_totp"),
    path("connexion/secours/codes/", break_glass.RecoveryCodes.as_view(), name="mfa_view_recovery_codes"),
    path("connexion/secours/codes/autres/", break_glass.NewCodes.as_view(), name="mfa_generate_recovery_codes"),
    path("deconnexion/", signing_in.sign_out, name="sign_out"),
    path("mode/", mode.units, name="mode_grants"),
    path("mode/demander/", mode.ask, name="mode_ask"),
    path("mode/demande/<int:pk>/", mode.decide, name="mode_decide"),
    path("mode/demande/<int:pk>/annuler/", mode.withdraw, name="mode_withdraw"),
    path("mode/permission/<int:pk>/retirer/", mode.revoke, name="mode_revoke"),
    path("mode/<slug:numero>/", mode.unit, name="mode_unit"),
    path("mode/<slug:numero>/accorder/", mode.grant, name="mode_grant"),
]
