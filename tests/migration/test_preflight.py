"""« Pré-vol »: what must hold before a night (B10, B18). The list that people read and the filter agree."""

import itertools
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts import credentials
from accounts.models import Credential
from bma_portal.badges import BAD, GOOD, WAITING
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail import requeue
from bma_portal.mail.compose import letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from migration import decisions, planning, preflight, sequence
from migration.mails import RECALLED
from migration.models import Batch, Mailing, Move
from migration.results_file import Fault, Finding
from tests.factories import OrganisationFactory
from tests.factories_migration import BatchFactory, CampaignFactory, MoveFactory, in_force

pytestmark = pytest.mark.django_db

DAY = date(2024, 11, 7)
NIGHT = brussels(DAY, 22)
EVE = brussels(DAY, 8)


@pytest.fixture
def move():
    """All that the portal knows of this mailbox is in order; ETNIC's tools found it."""
    made = MoveFactory(confirmed=True, on_old_server=True, on_new_server=True, size_mb=12)
    in_force(made)
    return made


def of_mails(step: int, **facts):
    return lambda move: OutgoingMail.objects.filter(mailing__move=move, mailing__step=step).update(**facts)


def of_move(**facts):
    return lambda move: Move.objects.filter(pk=move.pk).update(**facts)


def of_password(**facts):
    return lambda move: Credential.objects.filter(mailbox=move.mailbox, superseded_at=None).update(**facts)


def of_unit(**facts):
    return lambda move: type(move.mailbox.organisation).objects.filter(pk=move.mailbox.organisation_id).update(**facts)


def replaced(move):
    of_unit(successor=OrganisationFactory(kind=move.mailbox.organisation.kind))(move)


def reset(move, **facts):
    """A password given since on the holder's demand."""
    row = credentials.renew(move.mailbox, at=EVE - timedelta(days=3))
    Credential.objects.filter(pk=row.pk).update(**facts)


def unsent(step):
    def act(move):
        mail = OutgoingMail.objects.get(mailing__move=move, mailing__step=step)
        Mailing.objects.filter(mail=mail).update(mail=None)
        mail.delete()

    return act


GONE = {"sealed": "", "destroyed_at": EVE}
# what happens to it → the item that changes, its tone on the night
CASES = {
    "rien": (lambda move: None, None, GOOD),
    "mail 1 revenu": (of_mails(1, bounced_at=EVE), "mail 1", BAD),
    "mail 2 revenu": (of_mails(2, bounced_at=EVE), "mail 2", BAD),
    "mail 3 revenu": (of_mails(3, bounced_at=EVE), "mail 3", BAD),
    "mail 3 refusé": (of_mails(3, status="failed", sent_at=None, proof="", last_error="Refusé."), "mail 3", BAD),
    "mail 3 pas parti": (unsent(3), "mail 3", BAD),
    "mail 2 pas parti": (unsent(2), "mail 2", BAD),
    "mail 4 retenu": (
        lambda move: Mailing.objects.filter(move=move, step=4).update(held_at=EVE, held_why="La nuit est passée."),
        "suspension",
        BAD,
    ),
    "pas de mot de passe": (lambda move: Credential.objects.all().delete(), "mot de passe", BAD),
    "pas dans l’annuaire": (of_password(applied_at=None), "mot de passe", BAD),
    "refusé": (of_password(applied_at=None, refused_at=EVE, last_error="Trop court."), "mot de passe", BAD),
    "copie détruite": (of_password(**GONE, destroyed_why="délai dépassé"), "mot de passe", WAITING),
    "copie détruite, pas dans l’annuaire": (
        of_password(**GONE, destroyed_why="lot annulé", applied_at=None),
        "mot de passe",
        BAD,
    ),
    "déjà rappelé": (of_password(**GONE, destroyed_why=RECALLED), "mot de passe", GOOD),
    "réinitialisé": (lambda move: reset(move, applied_at=EVE, **GONE, destroyed_why="affiché"), "mot de passe", GOOD),
    "réinitialisation en attente": (reset, "mot de passe", BAD),
    "mis hors service": (
        lambda move: reset(move, purpose="lock", applied_at=EVE, **GONE, destroyed_why="inconnu"),
        "mot de passe",
        WAITING,
    ),
    "suspendue": (of_move(paused_at=EVE, paused_by="sgne", paused_why="École fermée."), "suspension", BAD),
    "fermée": (of_unit(closed_on=DAY), "unité", BAD),
    "fermera": (of_unit(closed_on=DAY + timedelta(days=1)), "unité", GOOD),
    "reprise": (replaced, "unité", BAD),
    "autre nuit annoncée": (of_move(announced_night=DAY - timedelta(days=7)), "nuit annoncée", WAITING),
    "absente de l’ancien": (of_move(on_old_server=False), "ancien serveur", BAD),
    "absente du nouveau": (of_move(on_new_server=False), "nouveau serveur", BAD),
    "ancien inconnu": (of_move(on_old_server=None), "ancien serveur", WAITING),
    "rien de l’ETNIC": (of_move(on_old_server=None, on_new_server=None, size_mb=None), "contrôle", WAITING),
    "taille inconnue": (of_move(size_mb=None), "taille", WAITING),
    "plus de 80 Mo": (of_move(size_mb=81), "taille", WAITING),
    "2 Go": (of_move(size_mb=2000), "taille", WAITING),
    "plus de 2 Go": (of_move(size_mb=2001), "taille", BAD),
}


def line_of(move: Move, at=NIGHT) -> preflight.Line:
    (line,) = preflight.lines(Batch.objects.get(pk=move.batch_id), at=at)
    return line


def is_clear(move: Move) -> bool:
    return Mailing.objects.filter(preflight.clear(), move=move, step=4).exists()


@pytest.mark.parametrize("case", CASES)
def test_each_thing_that_may_happen_has_its_tone_and_red_blocks_the_night(move, case):
    act, name, tone = CASES[case]
    act(move)
    line = line_of(move)
    assert line.tone == tone if name is None else next(i for i in line.items if i.name == name).tone == tone
    assert line.is_red is (tone == BAD)
    assert is_clear(move) is not line.is_red  # the twin
    for item in line.to_see:
        assert item.sentence.endswith((".", "?"))
        assert item.who in {"SGNE", "ETNIC", "titulaire"}
    sequence.advance(at=NIGHT)
    left = Mailing.objects.filter(move=move, step=4, mail__isnull=False).exists()
    assert left is not line.is_red


def test_any_two_of_them_agree_too(move):
    """The list and the filter, on mailboxes to which two things happened: one statement judges them all."""
    batch = move.batch
    names = [name for name in CASES if name not in {"pas de mot de passe", "rien"}]
    for one, other in itertools.islice(itertools.combinations(names[::2], 2), 60):
        box = MoveFactory(batch=batch, confirmed=True, on_old_server=True, on_new_server=True, size_mb=12)
        in_force(box)
        for name in (one, other):
            if name.startswith("mail") and OutgoingMail.objects.filter(mailing__move=box).count() != 3:
                continue
            CASES[name][0](box)
    clear = set(Mailing.objects.filter(preflight.clear(), step=4).values_list("move", flat=True))
    listed = preflight.lines(batch, at=NIGHT)
    assert len(listed) == 61
    assert {line.move.pk for line in listed if not line.is_red} == clear
    assert 1 < len(clear) < 61


def test_before_the_night_what_is_still_to_come_is_not_red():
    move = MoveFactory(credentials_sent=True, on_old_server=True, on_new_server=True, size_mb=12)
    in_force(move)
    due = Mailing.objects.get(move=move, step=3).due_at
    item = next(item for item in line_of(move, due - timedelta(days=2)).items if item.name == "mail 3")
    assert (item.tone, item.sentence) == (WAITING, "Prévu le mardi 5 novembre 2024.")
    assert line_of(move, due + timedelta(days=1)).is_red


def test_a_mailbox_that_comes_back_in_a_later_batch_needs_no_second_mail_2(move):
    """Its first night failed: mails 1 and 2 of that batch count, its password is in force and was recalled."""
    Move.objects.filter(pk=move.pk).update(status="failed", failure="Verrouillée.")
    of_password(**GONE, destroyed_why=RECALLED)(move)
    days = {f"{name}_on": getattr(move.batch, f"{name}_on") + timedelta(days=35)
            for name in ("mail1", "mail2", "mail3", "night")}  # fmt: skip
    again = MoveFactory(mailbox=move.mailbox, batch=BatchFactory(campaign=CampaignFactory(), **days), sent=3)
    again.mailings.filter(step__lt=3).delete()
    assert line_of(again, NIGHT + timedelta(days=35)).tone == WAITING  # ETNIC has still to look
    assert is_clear(again)
    of_mails(2, bounced_at=EVE)(move)  # late, of the first batch
    assert line_of(again, NIGHT + timedelta(days=35)).is_red
    assert not is_clear(again)


LATER = {
    f"mail{step}_on": day for step, day in ((1, date(2024, 10, 15)), (2, date(2024, 10, 22)), (3, date(2024, 11, 12)))
} | {"night_on": date(2024, 11, 14)}


def planned_again(move: Move) -> Move:
    """As `planning` writes it: in another batch, without the mails that arrived."""
    batch = BatchFactory(campaign=move.batch.campaign, **LATER)
    planning.fill(batch.campaign, batch, [move.mailbox_id])
    Move.objects.filter(batch=batch).update(on_old_server=True, on_new_server=True, size_mb=12)
    return Move.objects.get(batch=batch)


def test_a_batch_cancelled_by_mistake_after_mail_2_leaves_its_mailboxes_able_to_migrate():
    """The portal's copy of the password is destroyed, not the password: mail 4 says to take it from mail 2."""
    former = MoveFactory(credentials_sent=True, batch__status=Batch.Status.RUNNING)
    in_force(former)
    decisions.cancel(former.batch, by="sgne", at=brussels(date(2024, 10, 15), 10), note="Par erreur.")
    again = planned_again(former)
    assert set(again.mailings.values_list("step", flat=True)) == {3, 4}, "le mail 2 n’est pas répété"
    morning, night = brussels(LATER["mail3_on"], 9), brussels(LATER["night_on"], 22)
    assert sequence.advance(at=morning) == 1
    OutgoingMail.objects.filter(mailing__move=again, mailing__step=3).update(
        status="sent", sent_at=morning, proof="answer"
    )
    item = next(item for item in line_of(again, night).items if item.name == "mot de passe")
    assert (item.tone, item.who) == (WAITING, "titulaire")
    assert "annoncé par le mail 2" in item.sentence
    assert "(lot annulé)" in item.sentence
    assert not line_of(again, night).is_red
    assert sequence.advance(at=night) == 1
    mail = OutgoingMail.objects.get(mailing__move=again, mailing__step=4)
    assert "Celui du mail 2 ouvre la nouvelle interface" in letters([mail], at=night)[mail.pk].text


def test_a_batch_cancelled_before_mail_2_arrived_has_another_password_made_and_says_so():
    former = MoveFactory(announced=True, batch__status=Batch.Status.RUNNING)
    in_force(former)
    decisions.cancel(former.batch, by="sgne", at=brussels(date(2024, 10, 14), 8), note="Par erreur.")
    again = planned_again(former)
    eve, day = brussels(date(2024, 10, 21), 10), brussels(LATER["mail2_on"], 9)
    item = next(item for item in line_of(again, eve).items if item.name == "mot de passe")
    assert (item.tone, item.sentence) == (WAITING, "Il sera fait pour le mail 2.")
    item = next(item for item in line_of(again, NIGHT).items if item.name == "mot de passe")
    assert (item.tone, item.who) == (BAD, "SGNE")
    assert "un autre se fera avec ce mail" in item.sentence
    sequence.advance(at=day)
    assert Credential.objects.live().filter(mailbox=again.mailbox, applied_at=None).count() == 1


def test_one_red_mailbox_blocks_itself_and_no_other(move):
    other = MoveFactory(batch=move.batch, confirmed=True)
    in_force(other)
    of_move(on_new_server=False)(move)
    sequence.advance(at=NIGHT)
    assert Mailing.objects.get(move=move, step=4).mail is None
    assert Mailing.objects.get(move=other, step=4).mail is not None
    of_move(on_new_server=True)(move)  # repaired in the night
    sequence.advance(at=NIGHT + timedelta(hours=1))
    assert Mailing.objects.get(move=move, step=4).mail is not None


def test_the_list_asks_the_same_questions_whatever_the_size():
    batch = BatchFactory()
    counts = []
    for size in (1, 12):
        for _ in range(size):
            in_force(MoveFactory(batch=batch, confirmed=True))
        with CaptureQueriesContext(connection) as asked:
            preflight.lines(batch, at=NIGHT)
        counts.append(len(asked))
    assert counts == [4, 4]


def test_mail_4_of_a_red_mailbox_is_not_sent_again_by_hand(move, failed_mail):
    sequence.advance(at=NIGHT)
    mail = failed_mail(4, move)
    of_mails(2, bounced_at=EVE)(move)
    result = requeue.requeue([mail.pk], by="etnic", at=NIGHT + timedelta(hours=1))
    assert result.done == 0
    assert "pré-vol" in result.refused[0]
    of_mails(2, bounced_at=None)(move)
    assert requeue.requeue([mail.pk], by="etnic", at=NIGHT + timedelta(hours=1)).done == 1


# What ETNIC's tools found


def test_what_a_file_does_not_say_stays_as_it_was(move):
    found = [Finding(move.mailbox.address, on_new_server=False, line=2)]
    preflight.note_findings(found, move.batch, by="etnic", at=EVE, write=False)
    move.refresh_from_db()
    assert (move.on_new_server, move.checked_at) == (True, None)
    preflight.note_findings(found, move.batch, by="etnic", at=EVE)
    move.refresh_from_db()
    assert (move.on_old_server, move.on_new_server, move.size_mb, move.checked_at) == (True, False, 12, EVE)
    (line,) = AuditEntry.objects.filter(action="preflight.recorded")
    assert (line.actor, line.details) == ("etnic", {"boîtes": 1})


@pytest.mark.parametrize("faults", [[], [Fault(3, "ec1", "un caractère invisible s’y trouve.")]])
def test_a_file_at_fault_records_nothing(move, faults):
    elsewhere = MoveFactory(confirmed=True)
    found = [Finding(move.mailbox.address, size_mb=40, line=2)]
    found += [] if faults else [Finding(elsewhere.mailbox.address, size_mb=40, line=3)]
    noted = preflight.note_findings(found, move.batch, by="etnic", at=EVE, faults=faults, write=False)
    assert [line.is_fault for line in noted] == [False, True]
    with pytest.raises(Refusal, match="rien n’est enregistré"):
        preflight.note_findings(found, move.batch, by="etnic", at=EVE, faults=faults)
    assert not Move.objects.filter(size_mb=40).exists()
