"""What became of a call to the outside (Exchange, the directory): five words, never guessed."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    SENT = "sent"  # it was done
    RETRY = "retry"  # nothing left us, or it was refused for now: wait, then again
    PERMANENT = "permanent"  # this item will never pass
    SENDER = "sender"  # every item of this sender would fail alike: stop it
    AMBIGUOUS = "ambiguous"  # it may have happened: ask before acting


@dataclass(frozen=True)
class Outcome:
    """One answer, classified.

    `code` is the class or the code of the evidence, `reason` one French sentence for staff (no content, no secret,
    300 characters at most), `retry_after` the seconds that the other side asked for. `wide` says that the whole
    service is concerned and not this one item: the queue waits, the item is not counted against.
    """

    verdict: Verdict
    code: str = ""
    reason: str = ""
    retry_after: float | None = None
    wide: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", self.reason[:300])
        object.__setattr__(self, "code", self.code[:80])
