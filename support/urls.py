"""The holder's pages."""

from django.urls import include, path, re_path

from support.views import aide, assistant, authenticity, door, holder, hors_mode, links, mine, mode, staff

urlpatterns = [
    path("", holder.home, name="home"),
    path("assistant/", assistant.step, name="assistant"),
    path("assistant/<path:steps>/", assistant.step, name="assistant_step"),
    path("authenticite/", authenticity.genuine, name="authenticity"),
    path("machine-a-remonter/", staff.time_machine, name="time_machine"),
    path("contradictions/", staff.contradictions, name="contradictions"),
    path("ma-boite/", mine.my_mailboxes, name="my_mailboxes"),
    path("ma-boite/courriel/<uuid:mail>/", mine.my_mail, name="my_mail"),
    path("ma-boite/etat/", holder.mailbox_status, name="mailbox_status"),
    path("mot-de-passe/", door.password_door, name="password_door"),
    path("mot-de-passe/mode/", mode.choose, name="reset_mode"),
    path("mot-de-passe/mode/<str:numero>/", mode.check, name="reset_mode_check"),
    path("mot-de-passe/demande/<uuid:public>/", mode.one_request, name="reset_request"),
    re_path(r"^eforms/portal/rest/start/smail2_mode/?$", door.legacy, {"form": "reset_mode"}),
    re_path(r"^eforms/portal/rest/start/smail2_hors_mode/?$", door.legacy, {"form": "reset_hors_mode"}),
    path("mot-de-passe/hors-mode/", hors_mode.ask, name="reset_hors_mode"),
    path("mot-de-passe/hors-mode/verifier/", hors_mode.check, name="reset_hors_mode_check"),
    path("mot-de-passe/hors-mode/code/", hors_mode.code, name="reset_hors_mode_code"),
    path("mot-de-passe/hors-mode/recue/", hors_mode.done, name="reset_hors_mode_done"),
    path("mot-de-passe/retrait/<str:token>/", links.pick_up, name="reset_pick_up"),
    path("mot-de-passe/arret/<str:token>/", links.stop, name="reset_stop"),
    path("demandes/", include("support.urls_tickets")),
    path("desk/", include("support.urls_desk")),
    path("aide/", aide.aide, name="aide"),
    path("aide/suggestions/", aide.suggestions, name="aide_suggestions"),
    path("aide/<slug:slug>/", aide.article, name="aide_article"),
    path("aide/<slug:slug>/utile/", aide.vote, name="aide_vote"),
]
