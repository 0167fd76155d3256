"""`/sante/` measures the work that is left, and not only that somebody answers."""

from datetime import timedelta

import pytest

from bma_portal import clock
from bma_portal.mail.compose import outgoing
from bma_portal.mail.models import Sender

pytestmark = pytest.mark.django_db


def test_health_tells_how_long_the_oldest_mail_has_waited(client):
    assert client.get("/sante/").json()["attente_la_plus_longue_s"] == 0
    for minutes in (90, 2):
        outgoing(
            key=f"essai:{minutes}",
            kind="plain",
            sender=Sender.SGNE,
            to=["ec000001@adm.cfwb.be"],
            subject="Essai",
            queued_at=clock.now() - timedelta(minutes=minutes),
        ).save()
    state = client.get("/sante/").json()
    assert state["courriels_en_attente"] == 2
    assert 5400 <= state["attente_la_plus_longue_s"] <= 5460


def test_who_asked_too_often_is_never_told_to_come_back_too_early(rf):
    from bma_portal.views import too_many

    answer = too_many(rf.get("/ma-boite/etat/"), 89)
    assert "2 minutes" in answer.content.decode()
    assert answer["Retry-After"] == "89"
