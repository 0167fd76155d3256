"""The factories make rows that the database accepts, in each state they name."""

import pytest

from accounts import credentials
from tests.factories_holders import PasswordResetFactory

STATES = ["received", "setting", "ready", "shown", "refused", "closed"]
EACH = [(path, state) for path in ("mode", "hors_mode") for state in STATES] + [("hors_mode", "accepted")]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "state"), EACH)
def test_a_request_in_each_state_of_each_path(path, state):
    reset = PasswordResetFactory(**{path: True, state: True})
    reset.refresh_from_db()
    assert (reset.path, reset.status) == (path, state)
    if state == "ready":
        assert len(credentials.reveal_once(reset.credential, why="test", at=reset.ready_at).reveal()) == 19
    if state == "shown":
        assert reset.credential.destroyed_at is not None
