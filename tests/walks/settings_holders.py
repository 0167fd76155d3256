"""The test settings for the holders' walk: its own addresses, every logger at DEBUG, and errors on demand.

The four libraries that print passwords stay capped, as in production: `loud.py` tries to make them speak. UNCAPPED
names those that are let free.
"""

import os

from bma_portal.settings.test import *  # noqa: F403
from bma_portal.settings.test import LOGGING, MIDDLEWARE

PORTAL_URL = os.environ["PORTAL_URL"]
CERBERE_ISSUER = os.environ["CERBERE_ISSUER"]
CERBERE_CLIENT_SECRET = os.environ["CERBERE_CLIENT_SECRET"]
MIDDLEWARE = [*MIDDLEWARE, "tests.walks.holders_faults.Breakdown"]  # innermost: the error is a view's own

CAPPED = {"exchangelib", "exchangelib.util", "ldap3", "urllib3"} - set(os.environ.get("UNCAPPED", "").split())
LOGGING["loggers"]["django"] = {}  # Django's own logging keeps it at INFO
for _name in LOGGING["loggers"].keys() - CAPPED:
    LOGGING["loggers"][_name]["level"] = "DEBUG"
LOGGING["handlers"]["reports"] = {
    "class": "tests.walks.holders_faults.Reports", "filename": os.environ["REPORTS"], "delay": True
}  # fmt: skip
LOGGING["root"]["handlers"] = ["stderr", "reports"]
