"""Signing in: Cerbère for everybody, a password and a second factor for the accounts of last resort, and sessions.

django-allauth does the work; what it leaves open is closed in `accounts/provider.py` and `accounts/adapters.py`.
"""

import environ

env = environ.Env()

APPS = [
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
]
AUTHENTICATION_BACKENDS = ["accounts.auth.PortalBackend"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = "/ma-boite/"

# Cerbère. The issuer is compared letter for letter with what its answers say.
CERBERE_ISSUER = env.str("CERBERE_ISSUER", default="")
CERBERE_CLIENT_ID = env.str("CERBERE_CLIENT_ID", default="")
CERBERE_CLIENT_SECRET = env.str("CERBERE_CLIENT_SECRET", default="")
CERBERE_STAFF_ACR = env.list("CERBERE_STAFF_ACR", default=[])  # strong enough for staff, any one of them
CERBERE_TIMEOUT = (3, 10)  # seconds: connect, read

# Sessions: they end after that long without a request, after that long anyway, and with the browser (SEC-G2).
SESSION_ENGINE = "bma_portal.visits"
SESSION_IDLE_SECONDS = 15 * 60
SESSION_LONGEST_SECONDS = 8 * 3600
SESSION_WARNING_SECONDS = 2 * 60
SESSION_COOKIE_AGE = SESSION_LONGEST_SECONDS
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_AGE = None  # Django's own lasts a year; this one ends with the browser

ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "accounts.adapters.CerbereAccountAdapter"
MFA_ADAPTER = "accounts.adapters.SecondFactorAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}  # of the break-glass accounts, which alone have a password
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGIN_TIMEOUT = 300  # between the password and the second factor
SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"provider_class": "accounts.provider.CerbereProvider"}}
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_AUTHENTICATION_AUTO_CONNECT = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Portail BMA"
MFA_TOTP_TOLERANCE = 1  # thirty seconds either way: clocks of telephones
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_REAUTHENTICATION_REQUIRED = False  # these sessions are a password and a code old, fifteen minutes at most idle
MFA_ALLOW_UNVERIFIED_EMAIL = True
