"""The test settings, with the vault's keys from the environment: for starts that must fail."""

import os

from bma_portal.settings.test import *  # noqa: F403

BMA_VAULT_KEYS = os.environ["BMA_VAULT_KEYS"]
