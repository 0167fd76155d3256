"""The sheet of a mailbox: what it is, where it stands, what comes next, all that happened, its mails masked."""

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from playwright.sync_api import Page

from accounts import credentials
from accounts.models import Credential, OrganisationChange
from bma_portal import clock
from bma_portal.clock import brussels
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from migration import decisions, notes, steering
from migration.models import Batch, Mailing, Move
from migration.sheet import sheet_of
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.walks.sound import assert_sound, enter, hear

pytestmark = pytest.mark.django_db
AT = brussels(date(2024, 11, 6), 10)  # between mail 3 and the night of the first batch


def page_of(client, box) -> str:
    return client.get(reverse("admin:accounts_mailbox_change", args=[box.pk])).content.decode()


def mail_page(client, mailing: Mailing):
    return client.get(reverse("admin:accounts_mailbox_mail", args=[mailing.move.mailbox_id, mailing.pk]))


def test_it_says_who_the_mailbox_is(signed_in):
    heir = OrganisationFactory(name="École reprenante", mailbox=True)
    unit = OrganisationFactory(
        with_po=True, mailbox=True, name="École <i>fictive</i>", network="Réseau inventé", zone="Zone 4",
        municipality="Songe", successor=heir, closed_on=date(2024, 8, 31), unit_types=["CPMS"],
    )  # fmt: skip
    page = page_of(signed_in("sgne"), unit.mailbox)
    for words in (
        unit.mailbox.address, unit.number, "École &lt;i&gt;fictive&lt;/i&gt;", unit.po.number, "Réseau inventé",
        "Zone 4", "Songe", "CPMS",
        "Reprise par", heir.number, "31 août 2024", "n’a pas encore confirmée", "Aucun lot ne la tient",
    ):  # fmt: skip
        assert words in page, words


# What comes next


@pytest.mark.parametrize(
    ("trait", "text", "step"),
    [("announced", "Mail 2 : mot de passe", 2), ("credentials_sent", "Mail 3 : confirmation", 3),
     ("confirmed", "Mail 4 : clôture", 4)],
)  # fmt: skip
def test_the_next_step_is_the_first_mail_that_did_not_arrive(trait, text, step):
    move = MoveFactory(**{trait: True})
    found = sheet_of(move.mailbox, at=AT).next
    assert (found.text, found.at) == (text, move.mailings.get(step=step).due_at)
    assert found.night_on == move.batch.night_on


def test_what_stops_a_mailbox_is_what_comes_next():
    move = MoveFactory(credentials_sent=True)
    Mailing.objects.filter(move=move, step=3).update(held_at=AT, held_why="En retard.")
    assert sheet_of(move.mailbox, at=AT).next.text == "Mail 3 : confirmation attend une décision."
    Move.objects.update(paused_at=AT, paused_by="nadia", paused_why="Direction absente.")
    assert sheet_of(move.mailbox, at=AT).next.text == "Suspendue par nadia : Direction absente."
    Move.objects.update(paused_at=None, paused_by="", paused_why="")
    for status, says in ((Batch.Status.PAUSED, "est suspendu"), (Batch.Status.DRAFT, "attend d’être approuvé")):
        Batch.objects.update(status=status)
        assert says in sheet_of(move.mailbox, at=AT).next.text


def test_once_migrated_there_is_nothing_next_and_before_any_batch_nothing_yet():
    assert sheet_of(MoveFactory(migrated=True).mailbox, at=AT + timedelta(days=30)).next.text.startswith("Rien")
    assert sheet_of(MailboxFactory(), at=AT).next.text == "Aucun lot ne la tient : à planifier."
    assert sheet_of(MoveFactory(failed=True).mailbox, at=AT).next.text == "Aucun lot ne la tient : à planifier."


# The timeline


def test_every_fact_is_told_with_who_and_when(signed_in, person):
    move = MoveFactory(migrated=True, batch=BatchFactory(status=Batch.Status.RUNNING))
    box = move.mailbox
    credentials.issue([box], at=datetime(2024, 10, 14, 6, tzinfo=UTC))
    Credential.objects.update(applied_at=datetime(2024, 10, 14, 6, 5, tzinfo=UTC))
    decisions.pause(move.batch, by="sgne", at=AT, note="Le Service Desk est débordé.")
    OutgoingMail.objects.filter(mailing__move=move, mailing__step=3).update(
        bounced_at=AT, delivery_code="5.2.2", delivery_text="Boîte pleine."
    )
    Move.objects.filter(pk=move.pk).update(checked_at=AT, on_old_server=True, size_mb=72)
    OrganisationChange.objects.create(
        organisation=box.organisation, field="name", old="Avant", new="Après", at=AT, by=person("sgne")
    )
    password = f"mot de passe {Credential.objects.get().pk}, nouvelle interface (mail 2)"
    told = {(fact.said, fact.by, fact.why) for fact in sheet_of(box, at=clock.now()).timeline}
    assert told >= {
        (f"mail 1 du {move.batch} : mis en file → envoyé à {box.address}", "SGNE", "réponse d’Exchange"),
        (f"mail 3 du {move.batch} : envoyé → revenu", "serveur du destinataire", "5.2.2 Boîte pleine."),
        (f"{password} : créé → en vigueur dans l’annuaire", "annuaire", ""),
        (f"{move.batch} : en cours → suspendu", "sgne", "Le Service Desk est débordé."),
        (f"boîte dans le {move.batch} : contrôlée avant la nuit", "ETNIC",
         "ancien serveur : oui, nouveau serveur : non dit, 72 Mo"),
        (f"boîte dans le {move.batch} : déplacée sur le nouveau serveur", "ETNIC", ""),
        ("unité, nom : Avant → Après", "sgne", ""),
    }  # fmt: skip
    moments = [fact.at for fact in sheet_of(box, at=AT).timeline]
    assert moments == sorted(moments, reverse=True)
    page = page_of(signed_in("auditeur"), box)
    assert "Le Service Desk est débordé." in page
    assert Credential.objects.get().sealed not in page


def test_a_deed_that_the_log_tells_is_told_once(signed_in):
    move = MoveFactory(announced=True)
    steering.pause_move(move, by="nadia", at=AT, why="Direction absente.")
    told = [fact for fact in sheet_of(move.mailbox, at=AT).timeline if "Direction absente." in fact.why]
    assert [fact.by for fact in told] == ["nadia"]
    assert "suspended" not in told[0].said


def test_two_passages_are_both_there(signed_in):
    move = MoveFactory(failed=True)
    again = MoveFactory(mailbox=move.mailbox, batch=BatchFactory(number=909, status=Batch.Status.DRAFT))
    page = page_of(signed_in("sgne"), move.mailbox)
    assert f"Migration dans le {move.batch} : en échec" in page
    assert f"Migration dans le {again.batch} : prévue" in page


# Its mails, one by one


def test_a_mail_without_secret_is_read_as_it_left_and_reading_it_is_a_line(signed_in):
    mailing = MoveFactory(announced=True).mailings.get(step=1)
    OutgoingMail.objects.filter(pk=mailing.mail_id).update(text="Texte <b>tel</b> quel.", code="ABCD-1234-EFGH")
    client = signed_in("etnic")
    answer = mail_page(client, mailing)
    page = answer.content.decode()
    assert "Texte &lt;b&gt;tel&lt;/b&gt; quel." in page
    assert "ABCD-1234-EFGH" in page
    assert "no-store" in answer["Cache-Control"]
    line = AuditEntry.objects.get(action="mail.viewed")
    assert (line.actor, line.object_id) == ("etnic", str(mailing.mail_id))
    OutgoingMail.objects.update(text="")
    assert "n’est plus conservé" in mail_page(client, mailing).content.decode()


def test_a_mail_that_carried_a_secret_shows_dots(signed_in):
    move = MoveFactory(credentials_sent=True)
    credentials.issue([move.mailbox], at=brussels(date(2024, 10, 14), 8))
    Credential.objects.update(applied_at=brussels(date(2024, 10, 14), 8))
    clear = credentials.reveal(Credential.objects.get()).reveal()
    mailing = move.mailings.get(step=2)
    OutgoingMail.objects.filter(pk=mailing.mail_id).update(sensitive=True, kind="migration.new_password")
    page = mail_page(signed_in("sgne"), mailing).content.decode()
    assert "••••" in page
    assert move.mailbox.address in page
    assert clear not in page


def test_a_mail_opens_from_its_own_mailbox_only(signed_in):
    mailing = MoveFactory(announced=True).mailings.get(step=1)
    client = signed_in("sgne")
    other = MailboxFactory()
    for box, pk in ((other.pk, mailing.pk), (mailing.move.mailbox_id, 0), (0, mailing.pk)):
        assert client.get(reverse("admin:accounts_mailbox_mail", args=[box, pk])).status_code == 404
    unsent = mailing.move.mailings.get(step=4)
    assert mail_page(client, unsent).status_code == 404
    assert not AuditEntry.objects.filter(action="mail.viewed").exists()
    assert mail_page(signed_in("personnel"), mailing).status_code == 403


def test_a_mail_is_not_shown_without_its_line(signed_in):
    mailing = MoveFactory(announced=True).mailings.get(step=1)
    OutgoingMail.objects.update(text="Le texte.")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bma_portal_auditentry ADD CONSTRAINT rien_ne_va CHECK (seq < 0) NOT VALID")
    answer = mail_page(signed_in("sgne"), mailing)
    assert answer.status_code == 503
    assert "Le texte." not in answer.content.decode()


# Whom it leads where


def test_it_offers_each_role_what_that_role_may_do(signed_in):
    move = MoveFactory(migrated=True)
    by_role = {role: page_of(signed_in(role), move.mailbox) for role in ("sgne", "etnic", "auditeur")}
    back = reverse("admin:migration_move_deed", args=[move.pk, "remise"])
    assert [role for role, page in by_role.items() if back in page] == ["sgne", "etnic"]
    planned = MoveFactory(announced=True)
    pause = reverse("admin:migration_batch_steer", args=[planned.batch_id, planned.pk, "suspendre"])
    assert [role for role in by_role if pause in page_of(signed_in(role), planned.mailbox)] == ["sgne"]
    assert [role for role, page in by_role.items() if 'name="confirmed_on"' in page] == ["etnic"]
    desk = f"/desk/?q={move.mailbox.address[:8]}"
    assert [role for role, page in by_role.items() if desk in page] == ["sgne", "etnic"]


def test_it_asks_as_many_questions_for_a_long_story_as_for_a_short_one(signed_in):
    bare, long = MailboxFactory(), MoveFactory(failed=True).mailbox
    first = MoveFactory(announced=True).mailbox
    for number in (950, 951, 952):
        batch = BatchFactory(number=number)
        MoveFactory(mailbox=long, batch=batch, failed=True)
        notes.add(long, text=f"Note {number}", by="sgne", at=AT)
    credentials.issue([long], at=AT)
    credentials.renew(long, at=AT)
    client, counts = signed_in("sgne"), []
    for box in (first, long, bare):
        page_of(client, box)
        with CaptureQueriesContext(connection) as asked:
            page_of(client, box)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 21, [q["sql"][:150] for q in asked]
    assert counts[2] <= counts[0]


# Looked at


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore:Session-scoped fixtures:pytest.PytestRemovedIn10Warning")
def test_it_is_sound_on_a_laptop_on_a_phone_and_on_paper(page: Page, live_server, person):
    unit = OrganisationFactory(with_po=True, mailbox=True, name="École fondamentale fictive « Les Éperviers »")
    move = MoveFactory(mailbox=unit.mailbox, batch=BatchFactory(establishments=True, number=903), migrated=True)
    OutgoingMail.objects.update(text="Madame, Monsieur,\n\nVotre boîte va migrer.")
    credentials.issue([unit.mailbox], at=clock.now())
    notes.add(unit.mailbox, text="La direction préfère être jointe le matin.", by="sgne", at=clock.now())
    enter(page.context, live_server.url, person("sgne"))
    said = hear(page)
    addresses = {
        "fiche": reverse("admin:accounts_mailbox_change", args=[unit.mailbox.pk]),
        "mail": reverse("admin:accounts_mailbox_mail", args=[unit.mailbox.pk, move.mailings.get(step=1).pk]),
    }
    for name, address in addresses.items():
        page.goto(live_server.url + address)
        for size, (width, height) in {"portable": (1366, 768), "telephone": (390, 844)}.items():
            page.set_viewport_size({"width": width, "height": height})
            assert_sound(page, f"boite-{name}-{size}")
    page.goto(live_server.url + addresses["fiche"])
    page.emulate_media(media="print")
    assert not page.get_by_role("button", name="Ajouter la note").is_visible()
    assert page.get_by_role("heading", name="Identité").is_visible()
    page.emulate_media(media="screen")
    page.get_by_label("Ajouter une note").fill("Rappelée ce matin.")
    with page.expect_navigation():
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
    assert page.get_by_text("La note est ajoutée.").is_visible()
    assert page.get_by_text("Rappelée ce matin.").is_visible()
    assert said == []
