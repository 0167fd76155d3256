"""The mails that a mailbox was sent, read again on « Ma boîte »: what they said, and never a secret."""

from datetime import date, timedelta

import pytest

from accounts.models import Credential
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from tests.factories_holders import CredentialFactory
from tests.factories_migration import MoveFactory, deliver
from tests.support.my_page_stage import AT, DAY, as_it_left, holds, may_reset, notice, other_s_request

pytestmark = pytest.mark.django_db
CLEAR = "bcdf-GHJK-2345-xzvw"


@pytest.fixture(autouse=True)
def that_day(it_is):
    it_is(DAY)


def test_each_mail_is_listed_with_its_day_sender_and_state(my_page, person):
    move = MoveFactory(sent=3)
    holds(person, move.mailbox)
    returned = move.mailings.get(step=3).mail
    returned.bounced_at = AT
    returned.save()
    page = my_page()
    assert page.html.count('class="mail-line"') == 3
    assert "mardi 5 novembre 2024 · SGNE revenu à l’expéditeur" in page.text
    assert "lundi 14 octobre 2024 · ETNIC envoyé" in page.text
    assert sum("/ma-boite/courriel/" in link for link in page.links) == 2


@pytest.mark.parametrize(
    ("status", "words"),
    [("queued", "en cours d’envoi"), ("failed", "pas encore parti"), ("cancelled", None)],
)
def test_a_mail_that_has_not_left_is_not_said_to_be_received(client, my_page, person, status, words):
    move = MoveFactory()
    holds(person, move.mailbox)
    mailing = move.mailings.get(step=1)
    mail = deliver(mailing, AT - timedelta(hours=1))
    OutgoingMail.objects.filter(pk=mail.pk).update(status=status, sent_at=None, proof="")
    page = my_page()
    assert (words in page.text) if words else ("Aucun pour l’instant" in page.text)
    assert not any("/ma-boite/courriel/" in link for link in page.links)
    assert client.get(f"/ma-boite/courriel/{mail.uuid}/").status_code == 404


def test_a_mail_without_secret_is_read_again_as_it_left(my_page, person):
    move = MoveFactory(announced=True)
    holds(person, move.mailbox)
    mail = as_it_left(
        move, 1, "migration.announcement", sensitive=False, text="Madame, Monsieur,\n\nVoici <b>tout</b>."
    )
    page = my_page(f"/ma-boite/courriel/{mail.uuid}/")
    assert "Voici <b>tout</b>." in page.text or "Voici &lt;b&gt;tout&lt;/b&gt;." in page.html
    assert "<b>" not in page.html


def test_a_text_that_is_kept_no_longer_is_said_to_be_gone(my_page, person):
    move = MoveFactory(announced=True)
    holds(person, move.mailbox)
    mail = as_it_left(move, 1, "migration.announcement", sensitive=False)
    assert "n’est plus conservé" in my_page(f"/ma-boite/courriel/{mail.uuid}/").text


def test_mail_2_is_read_again_with_dots_and_its_secret_is_not_even_opened(my_page, person, monkeypatch):
    move = MoveFactory(credentials_sent=True)
    holds(person, move.mailbox)
    CredentialFactory(mailbox=move.mailbox, purpose="migration", clear=CLEAR, issued_at=AT - timedelta(days=30))
    mail = as_it_left(move, 2, "migration.new_password", sensitive=True)
    monkeypatch.setattr("bma_portal.vault.unseal", lambda *a, **k: pytest.fail("un secret a été ouvert"))
    page = my_page(f"/ma-boite/courriel/{mail.uuid}/")
    assert "••••" in page.text
    assert CLEAR not in page.html
    assert "Conservez ce mail" in page.text


CLOSINGS = [
    # what the password in force was when mail 4 left → what the mail said
    ({"purpose": "migration", "destroyed": "mail 4 envoyé"}, "Celui du mail 2, que voici de nouveau", True),
    ({"purpose": "migration"}, "Celui du mail 2, que voici de nouveau", True),
    ({"purpose": "migration", "destroyed": "180 jours"}, "notre copie a été détruite par sécurité", False),
    ({"purpose": "reset"}, "modifié le dimanche 6 octobre 2024", False),
    (None, "notre copie a été détruite par sécurité", False),
]


@pytest.mark.parametrize(("facts", "words", "dots"), CLOSINGS)
def test_mail_4_says_again_what_it_said(my_page, person, facts, words, dots):
    move = MoveFactory(migrated=True)
    holds(person, move.mailbox)
    mail = as_it_left(move, 4, "migration.closing", sensitive=True)
    if facts:
        credential = CredentialFactory(
            mailbox=move.mailbox, purpose=facts["purpose"], clear=CLEAR, issued_at=brussels(date(2024, 10, 6), 9)
        )
        if why := facts.get("destroyed"):
            at = mail.sent_at if why == "mail 4 envoyé" else mail.sent_at - timedelta(days=1)
            Credential.objects.filter(pk=credential.pk).update(sealed="", destroyed_at=at, destroyed_why=why)
    clock.set_for_every_process(brussels(date(2024, 12, 1), 12))
    page = my_page(f"/ma-boite/courriel/{mail.uuid}/")
    assert words in page.text
    assert ("••••" in page.text) is dots
    assert CLEAR not in page.html


@pytest.mark.parametrize("kind", ["reset.asked", "reset.changed"])
def test_a_notice_is_read_again_without_its_link_by_the_titulaire(my_page, person, kind, monkeypatch):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    reset = other_s_request(box)
    mail = notice(reset, kind, box.address)
    monkeypatch.setattr("support.tokens.stop_token", lambda reset: pytest.fail("un lien a été fait"))
    assert f"/ma-boite/courriel/{mail.uuid}/" in my_page().links
    page = my_page(f"/ma-boite/courriel/{mail.uuid}/")
    assert "••••" in page.text
    assert "/mot-de-passe/arret/" not in page.html


def test_a_notice_that_was_sent_elsewhere_is_not_the_mailbox_s(client, my_page, person):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    mail = notice(other_s_request(box), "reset.asked", "po999999@adm.cfwb.be")
    assert f"/ma-boite/courriel/{mail.uuid}/" not in my_page().links
    assert client.get(f"/ma-boite/courriel/{mail.uuid}/").status_code == 404


@pytest.mark.parametrize("kind", ["reset.contact_code", "reset.pick_up", "reset.ready", "plain"])
def test_no_other_mail_can_be_read_here(client, my_page, person, kind):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    mail = notice(other_s_request(box), kind, box.address)
    assert client.get(f"/ma-boite/courriel/{mail.uuid}/").status_code == 404


def test_someone_else_s_mail_answers_like_one_that_does_not_exist(client, my_page, person):
    holds(person, MoveFactory(migrated=True).mailbox)
    foreign = MoveFactory(migrated=True).mailings.get(step=1).mail
    box = MoveFactory(migrated=True).mailbox
    may_reset(person, box)
    for_the_titulaire = notice(other_s_request(box), "reset.asked", box.address)
    nothing = client.get("/ma-boite/courriel/9f4ac1a2-6a55-4cf0-a0a0-1fb1d6a6a001/")
    assert nothing.status_code == 404
    for mail in (foreign, for_the_titulaire):
        answer = client.get(f"/ma-boite/courriel/{mail.uuid}/")
        assert (answer.status_code, answer.content) == (404, nothing.content)
