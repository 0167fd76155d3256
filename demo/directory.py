"""Stand-ins for the directory of passwords: the demo's, beside the Exchange stand-in, and a memory for tests."""

import os
from urllib.parse import quote, urlsplit

import requests
from django.conf import settings

from bma_portal.secret import Secret
from bma_portal.settings.base import is_loopback
from bma_portal.verdicts import Outcome, Verdict

AWAY = "L'annuaire est injoignable : les mots de passe attendent, ils seront posés dès son retour."


class TwinDirectory:
    """Speaks to the Exchange stand-in, whose webmail checks the passwords set here."""

    def __init__(self) -> None:
        self.sessions: dict[int, requests.Session] = {}

    def set_password(self, address: str, password: Secret) -> Outcome:
        parts = urlsplit(settings.EXCHANGE_URL)
        if not is_loopback(settings.EXCHANGE_URL):
            reason = "L'annuaire de démonstration n'existe que sur cette machine."
            return Outcome(Verdict.SENDER, "not-loopback", reason, wide=True)
        session = self.sessions.setdefault(os.getpid(), requests.Session())
        session.trust_env = False
        try:
            answer = session.put(
                f"{parts.scheme}://{parts.netloc}/_demo/directory/{quote(address)}",
                json={"password": password.reveal()},
                timeout=settings.DIRECTORY_TIMEOUT,
            )
        except requests.ConnectTimeout:
            return Outcome(Verdict.RETRY, "ConnectTimeout", AWAY, wide=True)
        except requests.RequestException as error:
            return Outcome(Verdict.AMBIGUOUS, type(error).__name__, AWAY, wide=True)
        if answer.ok:
            return Outcome(Verdict.SENT)
        if answer.status_code == 422:
            return Outcome(Verdict.PERMANENT, "refused", "L'annuaire refuse ce mot de passe.")
        return Outcome(Verdict.RETRY, f"HTTP {answer.status_code}", AWAY, wide=True)


class MemoryDirectory:
    """For tests in one process: remembers passwords, and answers what it is told to."""

    passwords: dict[str, Secret] = {}
    answers: list[Outcome] = []
    calls: list[str] = []

    @classmethod
    def forget(cls) -> None:
        cls.passwords.clear()
        cls.answers.clear()
        cls.calls.clear()

    def set_password(self, address: str, password: Secret) -> Outcome:
        self.calls.append(address)
        outcome = self.answers.pop(0) if self.answers else Outcome(Verdict.SENT)
        if outcome.verdict in {Verdict.SENT, Verdict.AMBIGUOUS}:
            self.passwords[address] = password
        return outcome
