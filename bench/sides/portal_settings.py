"""The portal as the measures of the desk serve it: the tests' settings, and production's where they cost time."""

from bma_portal.settings.test import *  # noqa: F403
from bma_portal.settings.test import TEMPLATES

CLOCK_CAN_BE_SET = False
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = ""
WHITENOISE_AUTOREFRESH = False
