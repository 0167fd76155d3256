"""The settings of the holders' walk, and the inboxes read each second as the rest is."""

from celery.schedules import schedule

from tests.walks.settings_holders import *  # noqa: F403
from tests.walks.settings_holders import CELERY_BEAT_SCHEDULE

CELERY_BEAT_SCHEDULE = {**CELERY_BEAT_SCHEDULE, "boites": {"task": "support.read_inboxes", "schedule": schedule(1)}}
