"""The versions of a text: written, proposed, approved by another person, kept by the mails that left (C1, C7, C8)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import credentials
from accounts.models import Contact, Credential
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.compose import MASK, letters
from bma_portal.mail.models import OutgoingMail
from bma_portal.models import AuditEntry
from migration import sequence, text_preview, texts, withdrawal
from migration.mails import BY_STEP
from migration.models import Batch, Mailing, MailText, Move, Step
from migration.texts import contents, versions
from tests.factories import MailboxFactory
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db
AT = brussels(date(2024, 9, 20), 10)
Status = MailText.Status


def written(step=1, *, by="sgne", more="Une phrase de plus.", why="Une phrase de plus.") -> MailText:
    subject, body = versions.source_of(step)
    body = body.replace("Bien à vous,", f"{more}\n\nBien à vous,")
    return versions.write(step, subject=subject, body=body, why=why, by=by, at=AT)


def approved(step=1, *, more="Une phrase de plus.") -> MailText:
    text = written(step, by="camille", more=more)
    versions.propose(text, by="camille", at=AT)
    versions.approve(text, by="dominique", at=AT, seen=versions.fingerprint(text))
    text.refresh_from_db()
    return text


# Their life


def test_the_portal_comes_with_one_approved_version_of_each():
    for step in Step.values:
        text = texts.current(step)
        assert (text.version, text.status) == (1, Status.APPROVED)
        assert (text.subject, text.body) == versions.source_of(step)
        assert contents.faults(step, text.subject, text.body) == []
    texts.install(MailText)
    assert MailText.objects.count() == 4


def test_each_mail_is_of_the_team_that_sends_it():
    """C1: the same as its class says."""
    assert {step: kind.sender for step, kind in BY_STEP.items()} == versions.SENDERS
    assert {step: kind.step for step, kind in BY_STEP.items()} == {step: step for step in BY_STEP}


def test_a_version_is_written_proposed_and_approved_by_somebody_else():
    """C8, each with its line of audit and, once proposed, of state."""
    text = written()
    assert (text.version, text.status, text.written_by) == (2, Status.DRAFT, "sgne")
    assert texts.current(1).version == 1
    versions.propose(text, by="sgne", at=AT)
    assert texts.current(1).version == 1
    versions.approve(text, by="dominique", at=AT + timedelta(hours=1), seen=versions.fingerprint(text))
    now = texts.current(1)
    assert (now.version, now.approved_by, now.approved_at) == (2, "dominique", AT + timedelta(hours=1))
    lines = AuditEntry.objects.filter(object_type="migration.mailtext", object_id=str(text.pk)).order_by("seq")
    assert [(line.action, line.actor) for line in lines] == [
        ("text.written", "sgne"), ("text.proposed", "sgne"), ("text.approved", "dominique"),
    ]  # fmt: skip
    assert lines[2].details["empreinte"] == versions.fingerprint(text)


def test_the_author_never_approves_nor_refuses():
    """C8: whoever asks, and in the database too."""
    text = written()
    versions.propose(text, by="sgne", at=AT)
    with pytest.raises(Refusal, match="une autre personne"):
        versions.approve(text, by="sgne", at=AT, seen=versions.fingerprint(text))
    with pytest.raises(Refusal, match="une autre personne"):
        versions.refuse(text, by="sgne", at=AT, why="Non.")
    signed = {"status": Status.APPROVED, "approved_by": "sgne", "approved_at": AT}
    with pytest.raises(IntegrityError, match="text_two_people"), transaction.atomic():
        MailText.objects.filter(pk=text.pk).update(**signed)


def test_only_its_author_corrects_a_draft_and_only_a_draft():
    text = written()
    fields = {"subject": text.subject, "body": text.body + "\n\nEncore.", "why": "Encore."}
    with pytest.raises(Refusal, match="Seul sgne"):
        versions.rewrite(text, **fields, by="dominique", at=AT)
    assert versions.rewrite(text, **fields, by="sgne", at=AT).body.endswith("Encore.")
    with pytest.raises(Refusal, match="Seul sgne"):
        versions.propose(text, by="dominique", at=AT)
    versions.propose(text, by="sgne", at=AT)
    with pytest.raises(Refusal, match="plus un brouillon"):
        versions.rewrite(text, **fields, by="sgne", at=AT)
    with pytest.raises(Refusal, match="Seul sgne"):
        versions.take_back(text, by="dominique", at=AT)
    versions.take_back(text, by="sgne", at=AT)
    assert MailText.objects.get(pk=text.pk).status == Status.DRAFT


def test_what_was_read_is_what_is_approved():
    """Taken back, changed and proposed again between the page and the button: it must be read again."""
    text = written()
    versions.propose(text, by="sgne", at=AT)
    seen = versions.fingerprint(text)
    versions.take_back(text, by="sgne", at=AT)
    fields = {"subject": text.subject, "body": text.body + "\n\nAutre chose.", "why": "Autre chose."}
    versions.rewrite(text, **fields, by="sgne", at=AT)
    versions.propose(text, by="sgne", at=AT)
    with pytest.raises(Refusal, match="a changé depuis"):
        versions.approve(text, by="dominique", at=AT, seen=seen)
    assert MailText.objects.get(pk=text.pk).status == Status.PROPOSED


def test_a_refusal_says_why_and_is_final():
    text = written()
    versions.propose(text, by="sgne", at=AT)
    with pytest.raises(Refusal, match="Dites pourquoi"):
        versions.refuse(text, by="dominique", at=AT, why=" ")
    versions.refuse(text, by="dominique", at=AT, why="Trop long.")
    with pytest.raises(Refusal, match="n’attend pas"):
        versions.approve(text, by="dominique", at=AT, seen=versions.fingerprint(text))
    assert texts.current(1).version == 1


def test_an_older_version_is_not_approved_over_a_newer_one():
    older = written(more="Ancienne.")
    versions.propose(older, by="sgne", at=AT)
    approved(more="Nouvelle.")
    with pytest.raises(Refusal, match="La version 3 de ce mail est déjà approuvée"):
        versions.approve(older, by="dominique", at=AT, seen=versions.fingerprint(older))


def test_what_is_wrong_is_refused_with_its_lines_and_nothing_is_kept():
    """SEC-F5: nothing saved by half."""
    subject, body = versions.source_of(1)
    for bad in (f"{body}\n\n{{{{ settings }}}}", f"{body}\n\n{{% debug %}}", f"{body}\n\n<b>x</b>", "x\n" * 5000):
        with pytest.raises(Refusal, match=r"Ligne \d+.* : "):
            versions.write(1, subject=subject, body=bad, why="Essai.", by="sgne", at=AT)
    with pytest.raises(Refusal, match="ce qui change"):
        versions.write(1, subject=subject, body=body, why=" ", by="sgne", at=AT)
    with pytest.raises(Refusal, match=r"Et \d+ autres\."):
        versions.write(1, subject=subject, body="{a}\n\n" * 30, why="Essai.", by="sgne", at=AT)
    assert MailText.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_two_who_approve_at_once_one_does_it_and_the_other_is_told():
    """C8; and two who write at once have two numbers."""
    text = written()
    versions.propose(text, by="sgne", at=AT)
    start, seen = Barrier(2), versions.fingerprint(text)

    def both(deed, *who):
        def one(by):
            start.wait()
            try:
                return deed(by)
            except Refusal as refusal:
                return str(refusal)
            finally:
                connection.close()

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(one, who))

    said = both(lambda by: versions.approve(text, by=by, at=AT, seen=seen), "dominique", "claude")
    assert sorted(bool(what) for what in said) == [False, True]
    assert "n’attend pas d’approbation" in next(filter(None, said))
    assert AuditEntry.objects.filter(action="text.approved").count() == 1
    made = both(lambda by: written(by=by).version, "dominique", "claude")
    assert sorted(made) == [3, 4]


# The mails keep theirs (C7)


@pytest.fixture
def batch():
    return BatchFactory(number=3)


def load(mailing, at):
    return BY_STEP[mailing.step].load([mailing.pk], at=at)[mailing.pk]


def with_password(move):
    credentials.issue([move.mailbox], at=brussels(date(2024, 10, 12)))
    Credential.objects.update(applied_at=brussels(date(2024, 10, 13)))


def test_a_mail_keeps_the_version_that_was_approved_when_it_was_queued(batch):
    """C7: a version approved while it waits changes nothing for it, not even for a mail rendered when it is sent."""
    move = MoveFactory(batch=batch, announced=True)
    later = MoveFactory(batch=batch, announced=True)
    with_password(move)
    at = brussels(date(2024, 10, 14), 9, 10)
    Mailing.objects.filter(move=later).update(due_at=at + timedelta(days=1))
    assert sequence.queue_step(batch.campaign, Step.CREDENTIALS, at=at) == 1
    mailing = Mailing.objects.get(move=move, step=2)
    assert mailing.text.version == 1
    newer = approved(2, more="Le nouveau texte.")
    letter = letters([mailing.mail], at=at)[mailing.mail_id]
    assert "Le nouveau texte." not in letter.text
    assert letter.subject == versions.source_of(2)[0]
    OutgoingMail.objects.filter(pk=mailing.mail_id).update(status="sent", sent_at=at, proof="answer")
    mail = load(mailing, at)
    shown = mail.masked(sent_at=at)
    password = credentials.reveal(mail.credential).reveal()
    assert shown == letter.text.replace(password, MASK)  # shown again exactly, the secret apart
    credentials.issue([later.mailbox], at=at)
    Credential.objects.filter(mailbox=later.mailbox).update(applied_at=at)
    assert sequence.queue_step(batch.campaign, Step.CREDENTIALS, at=at + timedelta(days=1)) == 1
    assert Mailing.objects.get(move=later, step=2).text == newer


def test_a_mail_taken_back_by_a_pause_has_the_text_of_the_day_it_leaves(batch):
    move = MoveFactory(batch=batch)
    at = brussels(date(2024, 10, 7), 9, 10)
    sequence.queue_step(batch.campaign, Step.ANNOUNCEMENT, at=at)
    withdrawal.take_back([move])
    newer = approved(1)
    sequence.queue_step(batch.campaign, Step.ANNOUNCEMENT, at=at)
    mailing = Mailing.objects.get(move=move, step=1)
    assert mailing.text == newer
    assert "Une phrase de plus." in mailing.mail.text


def test_what_left_before_texts_had_versions_shows_the_first_one(batch):
    move = MoveFactory(batch=batch, credentials_sent=True)
    approved(2, more="Le nouveau texte.")
    mailing = Mailing.objects.get(move=move, step=2)
    assert mailing.text is None
    assert "Le nouveau texte." not in load(mailing, AT).masked(sent_at=mailing.mail.sent_at)


@pytest.mark.parametrize("step", Step.values)
def test_the_preview_is_the_mail_really_sent_the_secret_apart(batch, step):
    """C7, for each of the four: shown before it is queued, then compared with what goes to the transport."""
    traits = [{}, {"announced": True}, {"credentials_sent": True}, {"confirmed": True}]
    move = MoveFactory(batch=batch, **traits[step - 1])
    with_password(move)
    text = approved(step, more="Voir aussi [le portail](https://exemple.be/).")
    mailing = Mailing.objects.get(move=move, step=step)
    before = text_preview.preview(text, move.mailbox, at=AT)
    assert not before.sent
    assert not before.example
    at = mailing.due_at + timedelta(minutes=10)
    assert sequence.queue_step(batch.campaign, step, at=at) == 1
    mailing.refresh_from_db()
    assert mailing.text == text
    letter = letters([mailing.mail], at=at)[mailing.mail_id]
    secret = credentials.reveal(Credential.objects.get(mailbox=move.mailbox)).reveal()
    left = [part.replace(secret, MASK) for part in (letter.text, letter.html)]
    code = mailing.mail.code
    assert [before.subject, before.text, before.html] == [
        letter.subject, *(part.replace(code, text_preview.SAMPLE_CODE) for part in left),
    ]  # fmt: skip
    after = text_preview.preview(text, move.mailbox, at=at)
    assert after.sent
    assert [after.text, after.html] == left  # its own code too
    assert (secret in letter.text) is (step in {2, 4})
    assert secret not in before.text + before.html + after.text + after.html


def test_a_preview_for_a_mailbox_in_no_batch_invents_its_dates():
    box = MailboxFactory(po=True)
    shown = text_preview.preview(texts.current(1), box, at=AT)
    assert shown.example
    assert box.address in shown.text
    assert "du mercredi 6 au jeudi 7 novembre 2024" in shown.text  # 7 October, then a week, three weeks, two days
    assert not Batch.objects.exists()


# What would be lacking (C7)


def test_nothing_is_missing_in_a_campaign_that_is_set_up(batch):
    MoveFactory(batch=batch)
    assert texts.missing(batch, at=AT) == []
    assert texts.missing(batch.campaign, at=AT) == []


def test_what_is_missing_is_told_when_scheduling(batch, django_assert_max_num_queries):
    """C7: each once, as a French sentence that names the day or the page."""
    move = MoveFactory(batch=batch)
    type(move.mailbox.organisation).objects.filter(pk=move.mailbox.organisation_id).update(name="")
    Contact.objects.filter(team="etnic").update(valid_from=None, valid_to=date(2024, 11, 1))
    type(batch.campaign).objects.update(help_page="", new_webmail="https://www.webmail" + "@adm.cfwb.be")
    MailText.objects.filter(step=3).update(status=Status.REFUSED, approved_by="", approved_at=None)
    batch = Batch.objects.select_related("campaign").get(pk=batch.pk)
    with django_assert_max_num_queries(6):
        found = texts.missing(batch, at=AT)
    assert "Le mail 3 n’a pas de texte approuvé." in found
    day = "jeudi 7 novembre 2024"
    assert f"Aucun contact de l’équipe ETNIC n’est valable le {day}, jour du mail 4." in found
    assert "La campagne ne dit pas l’adresse de la page « aide et tutoriels »." in found
    assert any("« nouvelle interface »" in what for what in found)
    assert f"Le registre ne donne pas le nom de : {move.mailbox.address}." in found
    assert len(found) == 5
    assert texts.missing(batch.campaign, at=AT) == found


def test_a_mail_that_has_left_lacks_nothing_any_more(batch):
    MoveFactory(batch=batch, confirmed=True)
    MailText.objects.filter(step__in=[1, 2, 3]).update(status=Status.REFUSED, approved_by="", approved_at=None)
    assert texts.missing(batch, at=AT) == []
    Move.objects.all().delete()
    assert len(texts.missing(batch, at=AT)) == 3
