"""What mail 2 said = what the directory holds = what mail 4 recalls, whatever happens in between, in any order.

A model beside the portal (SEC-C10, SEC-C11): passwords are made, set, announced, reset, shown, locked and recalled
while calls fail, are applied without an answer, or kill the process on one side or the other.
"""

from datetime import date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts import credentials
from accounts.models import Credential, Mailbox
from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.errors import Refusal
from bma_portal.mail.compose import Withdrawn
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from migration import sequence
from migration.mails import Closing, NewPassword
from migration.models import Mailing
from migration.texts.rendering import of_recall
from tests.factories_migration import BatchFactory, MoveFactory

RESET, LOCK, MIGRATION = Credential.Purpose.RESET, Credential.Purpose.LOCK, Credential.Purpose.MIGRATION
DAY = brussels(date(2024, 10, 14), 9)


class Killed(BaseException):
    """What `kill -9` looks like from inside a test."""


FAULTS = [
    "none", "busy", "away", "applied, no answer", "no answer", "refused", "denied", "killed before",
    "killed after", "killed before recording", "killed after recording",
]  # fmt: skip
VERDICTS = {
    "busy": Outcome(Verdict.RETRY, "busy", "Occupé."),
    "away": Outcome(Verdict.RETRY, "away", "Absent.", wide=True),
    "applied, no answer": Outcome(Verdict.AMBIGUOUS, "timeout", "Sans réponse.", wide=True),
    "no answer": Outcome(Verdict.AMBIGUOUS, "timeout", "Sans réponse.", wide=True),
    "refused": Outcome(Verdict.PERMANENT, "weak", "Refusé."),
    "denied": Outcome(Verdict.SENDER, "52e", "Compte refusé.", wide=True),
}
faults = st.just("none") | st.sampled_from(FAULTS)


class World:
    """The outside, and what is written down of it: each password made, each one set, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fault = "none"
        self.made: dict[str, Secret] = {}
        self.held: Secret | None = None
        sealing, recording = vault.seal, credentials.record_applied

        def seal(clear: Secret, *, bound_to: str) -> str:
            assert bound_to not in self.made, "un mot de passe n'est fait qu'une fois"
            self.made[bound_to] = clear
            return sealing(clear, bound_to=bound_to)

        def set_password(_: Any, address: str, password: Secret) -> Outcome:
            fault = self.fault
            if fault == "killed before":
                raise Killed
            if fault in {"none", "applied, no answer"} or fault.startswith("killed"):
                self.held = password
            if fault == "killed after":
                raise Killed
            return VERDICTS.get(fault, Outcome(Verdict.SENT))

        def record(pks: list[int], *, at: datetime) -> int:
            if self.fault == "killed before recording":
                raise Killed
            done = recording(pks, at=at)
            if self.fault == "killed after recording":
                raise Killed
            return done

        monkeypatch.setattr(vault, "seal", seal)
        monkeypatch.setattr(MemoryDirectory, "set_password", set_password)
        monkeypatch.setattr(credentials, "record_applied", record)


world: World


class Passwords(RuleBasedStateMachine):
    @initialize(from_=st.sampled_from(["nothing", "made", "said", "said", "reset"]))
    def begin(self, from_: str) -> None:
        self.rollback = transaction.atomic()
        self.rollback.__enter__()
        world.fault, world.held = "none", None
        world.made.clear()
        self.at = DAY
        self.move = MoveFactory(announced=True)
        self.mailbox = Mailbox.objects.select_related("organisation").get(pk=self.move.mailbox_id)
        self.said: Secret | None = None  # by mail 2
        self.asked_since = False  # a reset or a stop, since mail 2
        self.recalled = self.cancelled = False
        self.shown: list[str] = []
        if from_ != "nothing":
            self.make_it()
        if from_ in {"said", "reset"}:
            self.sweep(fault="none")
            self.mail_2()
            assert self.said
        if from_ == "reset":
            self.reset_or_stop(fault="none", purpose=RESET)

    def teardown(self) -> None:
        if hasattr(self, "rollback"):
            try:
                self.at_rest_the_last_one_made_is_the_one_held()
            finally:
                transaction.set_rollback(True)
                self.rollback.__exit__(None, None, None)

    def at_rest_the_last_one_made_is_the_one_held(self) -> None:
        for _ in range(3):
            self.wait()
            credentials.set_passwords(at=self.later())
        row = self.current()
        # A first password may be given up with its batch; what somebody asked for is set, whatever becomes of a batch.
        given_up = row and row.purpose == MIGRATION and row.destroyed_at and not row.applied_at
        if row and row.refused_at is None and not given_up:
            assert row.applied_at is not None
            assert world.held == world.made[row.bound_to]

    def current(self) -> Credential | None:
        return Credential.objects.filter(mailbox=self.mailbox, superseded_at=None).first()

    def later(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at

    def mail(self, step: int) -> Any:
        mailing = Mailing.objects.get(move=self.move, step=step)
        return (NewPassword if step == 2 else Closing).load([mailing.pk], at=self.at)[mailing.pk]

    def under(self, fault: str, deed: Any) -> None:
        world.fault = fault
        try:
            deed()
        except Killed:
            pass
        finally:
            world.fault = "none"

    # What happens

    @precondition(lambda self: not self.cancelled and self.said is None)
    @rule()
    def make_it(self) -> None:
        """As `sequence.issue_passwords` does: where none is live."""
        if not Credential.objects.live().filter(mailbox=self.mailbox).exists():
            credentials.issue([self.mailbox], at=self.later())

    @rule(fault=faults)
    def sweep(self, fault: str) -> None:
        self.under(fault, lambda: credentials.set_passwords(at=self.later()))

    @rule()
    def wait(self) -> None:
        """Leases, waits and pauses end."""
        credentials.resume()
        Credential.objects.update(not_before=None, claimed_until=None)

    @rule(fault=faults, purpose=st.sampled_from([RESET, RESET, LOCK]))
    def reset_or_stop(self, fault: str, purpose: Credential.Purpose) -> None:
        row = credentials.renew(self.mailbox, at=self.later(), purpose=purpose)
        self.asked_since = True
        self.under(fault, lambda: credentials.set_now(row, at=self.at))

    @precondition(lambda self: (row := self.current()) and row.purpose == RESET)
    @rule()
    def show(self) -> None:
        row = self.current()
        try:
            with transaction.atomic():
                told = credentials.reveal_once(row, why="affiché", at=self.later())
        except Refusal:
            return
        assert row.purpose == RESET
        assert row.bound_to not in self.shown
        assert told == world.made[row.bound_to] == world.held
        self.shown.append(row.bound_to)

    @precondition(lambda self: (row := self.current()) and row.refused_at)
    @rule()
    def another_in_the_place_of_a_refused_one(self) -> None:
        credentials.give_up_refused(self.mailbox, at=self.later())

    @precondition(lambda self: not self.cancelled and not self.recalled)
    @rule()
    def cancel(self) -> None:
        sequence.cancel(self.move.batch, by="sgne", at=self.later(), note="report")
        self.cancelled = True

    @precondition(lambda self: self.cancelled)
    @rule()
    def plan_again(self) -> None:
        self.move = MoveFactory(mailbox=self.mailbox, batch=BatchFactory(), announced=True)
        self.cancelled, self.said, self.asked_since = False, None, False

    @precondition(lambda self: not self.cancelled and self.said is None)
    @rule()
    def mail_2(self) -> None:
        row = self.current()
        try:
            told = self.mail(2).context(at=self.later())["mot_de_passe"]
        except Withdrawn:
            assert row is None or row.purpose != MIGRATION or row.destroyed_at or row.applied_at is None
            return
        assert row.purpose == MIGRATION
        assert told == world.made[row.bound_to] == world.held
        self.said, self.asked_since = told, False

    @precondition(lambda self: not self.cancelled and self.said is not None and not self.recalled)
    @rule()
    def mail_4(self) -> None:
        mail = self.mail(4)
        recall = mail.context(at=brussels(self.move.batch.night_on, 22))["rappel_mot_de_passe"]
        if recall == of_recall(self.said, None):
            assert self.said == world.held
        elif recall == of_recall(None, None):
            assert self.current() is None or self.current().destroyed_at or self.current().applied_at is None
        else:
            assert "modifié le" in recall.text
            assert self.asked_since
        if not self.asked_since and self.said is not None:
            assert recall == of_recall(self.said, None), "rien n'a changé depuis : le mail 4 le rappelle"
        Closing.accepted([SimpleNamespace(object_id=mail.mailing.pk)], at=self.later())
        self.recalled = True

    # What always holds

    @invariant()
    def what_is_in_force_is_what_is_held(self) -> None:
        if hasattr(self, "mailbox"):
            row = self.current()
            if row and row.applied_at:
                assert world.held == world.made[row.bound_to]

    @invariant()
    def what_mail_2_said_opens_until_somebody_asks(self) -> None:
        if getattr(self, "said", None) is not None and not self.asked_since and not self.cancelled:
            assert world.held == self.said

    @invariant()
    def a_lock_in_force_is_known_to_nobody(self) -> None:
        if hasattr(self, "mailbox"):
            assert not Credential.objects.filter(purpose=LOCK, applied_at__isnull=False).exclude(sealed="").exists()


@pytest.mark.django_db
def test_whatever_happens_and_in_whatever_order(monkeypatch):
    global world
    world = World(monkeypatch)
    checked = hypothesis_settings(
        max_examples=150, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
    )
    run_state_machine_as_test(Passwords, settings=checked)
