"""What a review that tried to break sign-in and permissions found, and what must stay so."""

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from accounts import mode
from accounts.models import GrantRequest, Holder, ResetGrant
from bma_portal import clock
from bma_portal.errors import Refusal
from bma_portal.models import AuditEntry
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.resets_stage import AT, box, gia, granted, staff

pytestmark = pytest.mark.django_db(transaction=True)
NATIONAL = "Mon numéro est le 85.07.30-033.28"  # the example of the law's own commentary: nobody's


@pytest.fixture(autouse=True)
def day(transactional_db):
    clock.set_for_every_process(AT)


def test_the_codes_already_used_are_not_forgotten_after_three_hundred_sign_ins():
    cache.add("cerbere:code:0", "1", timeout=3600)
    for n in range(400):
        cache.set(f"z{n}", 1, 3600)
    assert cache.add("cerbere:code:0", "1", timeout=3600) is False


def test_a_break_glass_account_that_changes_its_password_leaves_a_line():
    person = UserFactory(superuser=True, break_glass=True)
    person.set_password("un long mot de passe 1")
    person.save()
    client = sign_in(Client(), person)
    typed = {"old_password": "faux", "new_password1": "tout autre chose 42", "new_password2": "tout autre chose 42"}
    assert client.post(reverse("admin:password_change"), typed).status_code == 200
    assert not AuditEntry.objects.filter(action="break_glass").exists()
    typed["old_password"] = "un long mot de passe 1"
    assert client.post(reverse("admin:password_change"), typed).status_code == 302
    line = AuditEntry.objects.get(action="break_glass")
    assert (line.actor_id, line.result) == (person.pk, "mot de passe changé")
    assert "autre chose" not in str(line.details)


def test_a_session_that_changed_its_password_still_ends_with_the_others():
    person = UserFactory(superuser=True, break_glass=True)
    person.set_password("un long mot de passe 1")
    person.save()
    client, listed = sign_in(Client(), person), {"ip": "192.0.2.1", "created_at": AT, "last_seen_at": AT}
    UserSession.objects.create(user=person, session_key=client.session.session_key, **listed)
    typed = {"new_password1": "tout autre chose 42", "new_password2": "tout autre chose 42"}
    client.post(reverse("admin:password_change"), {**typed, "old_password": "un long mot de passe 1"})
    person.refresh_from_db()
    other = sign_in(Client(), person)
    assert client.get(reverse("open_sessions")).status_code == 200
    other.post(reverse("open_sessions"), {"partout": "1"})
    assert client.get(reverse("open_sessions")).status_code == 302


def test_nobody_records_oneself_as_head_of_a_unit():
    agent, unit = staff("SGNE"), box().organisation
    with pytest.raises(Refusal, match="titulaire soi-même"):
        mode.change_holder(unit, to=agent, by=agent, on=AT.date(), at=AT)
    assert not Holder.objects.exists()
    assert mode.change_holder(unit, to=agent, by=staff("SGNE"), on=AT.date(), at=AT)


def test_a_request_for_a_permission_keeps_no_national_number():
    mailbox = box()
    client = sign_in(Client(), UserFactory())
    page = client.post(reverse("mode_ask"), {"numero": mailbox.address[:8], "message": NATIONAL})
    assert "numéro de registre national" in page.content.decode()
    assert not GrantRequest.objects.exists()


def test_the_reason_of_a_withdrawal_keeps_no_national_number():
    mailbox = box()
    granted(mailbox)
    row, client = ResetGrant.objects.get(), sign_in(Client(), gia(mailbox))
    page = client.post(reverse("mode_revoke", args=[row.pk]), {"motif": NATIONAL})
    assert "numéro de registre national" in page.content.decode()
    row.refresh_from_db()
    assert row.revoked_at is None
