"""From a fact to a mail: one class per mail, its text in a file, its key natural."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error as AnyDatabaseError
from django.template.loader import get_template

from bma_portal import vault
from bma_portal.mail import authenticity
from bma_portal.mail.models import OutgoingMail, Sender
from bma_portal.origin import current
from bma_portal.secret import leaving_no_trace

log = logging.getLogger(__name__)

KINDS: dict[str, type["Mail"]] = {}
MASK = "••••"  # in the place of a secret, where a mail is shown again


@dataclass(frozen=True)
class Letter:
    """A mail ready for a transport. Its bodies stay out of repr: they may carry a secret."""

    uuid: UUID
    message_id: str
    sender: Sender
    to: Sequence[str]
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False, default="")
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    headers: dict[str, str] = field(default_factory=dict)
    attachments: Sequence[tuple[str, bytes, str]] = ()


class Withdrawn(Exception):
    """The facts changed since this mail was queued: it must not leave. The message is the French reason."""


class Unsendable(Exception):
    """This mail cannot be composed, whatever is tried; the others can. The message is the French reason."""


@lru_cache(maxsize=64)
def _template(name: str) -> Any:
    return get_template(name)


class Mail:
    """One kind of mail about one object. Subclasses register themselves under `kind`.

    `sensitive` mails are rendered when they are sent and stored nowhere; they have one recipient.
    """

    kind: ClassVar[str]
    sender: ClassVar[Sender]
    template: ClassVar[str]  # without extension: <template>.txt and <template>.html
    sensitive: ClassVar[bool] = False
    carries_files: ClassVar[bool] = False  # whether files may be attached to its rows; never to a sensitive one's

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            KINDS[cls.kind] = cls

    # What a subclass says

    def key(self) -> str:
        """The natural key: queueing twice is queueing once."""
        raise NotImplementedError

    def object_id(self) -> int:
        raise NotImplementedError

    def to(self) -> str:
        raise NotImplementedError

    def subject(self) -> str:
        raise NotImplementedError

    def stream(self) -> str:
        return ""

    def context(self, *, at: datetime) -> dict[str, Any]:
        """What the text names. For a sensitive mail it is asked when sending; may raise Withdrawn or VaultError."""
        return {}

    @classmethod
    def load(cls, object_ids: Iterable[int], *, at: datetime) -> dict[int, Self]:
        """The mails about those objects, in few queries: used when sending sensitive ones."""
        raise NotImplementedError

    @classmethod
    def overtaken(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> dict[int, str]:
        """Asked just before sending: by row id, why a mail must not leave any more, its body being stored or not."""
        return {}

    @classmethod
    def accepted(cls, mails: Sequence[OutgoingMail], *, at: datetime) -> None:
        """Called in the transaction that records these mails as sent."""

    # What follows from it

    def render(self, *, at: datetime, code: str = "") -> tuple[str, str]:
        """The text and the HTML, with the code that says that they are ours (C16)."""
        context = self.context(at=at) | {"code": code, "authenticity": authenticity.page()}
        text, html = self.bodies(context)
        return _signed(text, code), html

    def bodies(self, context: dict[str, Any]) -> tuple[str, str]:
        return _template(f"{self.template}.txt").render(context), _template(f"{self.template}.html").render(context)

    def text_of(self, context: dict[str, Any]) -> str:
        """The text alone, of a context that is not asked of this mail: to show one again without its secret."""
        return _template(f"{self.template}.txt").render(context)

    def row(self, *, at: datetime) -> OutgoingMail:
        code = authenticity.new_code()
        text, html = ("", "") if self.sensitive else self.render(at=at, code=code)
        return outgoing(
            code=code,
            key=self.key(),
            kind=self.kind,
            object_id=self.object_id(),
            stream=self.stream(),
            sender=self.sender,
            to=[self.to()],
            subject=self.subject(),
            text=text,
            html=html,
            sensitive=self.sensitive,
            queued_at=at,
        )


def _signed(text: str, code: str) -> str:
    """The text, ending with its code unless it says it already."""
    return f"{text.rstrip()}\n\n{authenticity.sentence(code)}\n" if code and code not in text else text


def outgoing(**fields: Any) -> OutgoingMail:
    """An unsaved row with its UUID and Message-ID fixed for good, and the number of the request that queues it."""
    key = uuid4()
    request_id = current().request_id
    return OutgoingMail(uuid=key, message_id=f"<{key}@portail.bma.cfwb.be>", request_id=request_id, **fields)


def letters(rows: Sequence[OutgoingMail], *, at: datetime) -> dict[int, Letter | Withdrawn | Unsendable]:
    """By row id, what goes to the transport. Sensitive bodies are rendered here, with the facts of `at`.

    Raises VaultError if the vault's keys are not the right ones: then nothing must leave. One altered secret, or
    one text that cannot be made, gives Unsendable for its own mail only.
    """
    by_kind: dict[str, list[OutgoingMail]] = {}
    for row in rows:
        by_kind.setdefault(row.kind, []).append(row)
    result: dict[int, Letter | Withdrawn | Unsendable] = {}
    loaded: dict[str, dict[int, Mail]] = {}
    for kind, of_kind in by_kind.items():
        if kind in KINDS:
            result |= {pk: Withdrawn(why) for pk, why in KINDS[kind].overtaken(of_kind, at=at).items()}
        secret_ids = [row.object_id or 0 for row in of_kind if row.sensitive and row.pk not in result]
        if secret_ids:
            loaded[kind] = KINDS[kind].load(secret_ids, at=at)
    for row in rows:
        if row.pk in result:
            continue
        try:
            with leaving_no_trace():
                result[row.pk] = _letter(row, loaded.get(row.kind, {}), at=at)
        except Withdrawn as reason:
            result[row.pk] = reason
        except vault.VaultError as error:
            vault.verify(after=error)  # raises if it is the key that is wrong or gone, and not this one row
            log.error("secret altéré", extra={"id": row.pk, "code": "VaultError"})
            result[row.pk] = Unsendable("Le secret de ce courriel a été modifié : il ne s'ouvre plus.")
        except (AnyDatabaseError, SoftTimeLimitExceeded):
            raise  # the database is away, or the task ran out of time: no mail is at fault
        except Exception as error:
            log.exception("texte impossible", extra={"id": row.pk, "code": type(error).__name__})
            result[row.pk] = Unsendable("Le texte de ce courriel n'a pas pu être composé.")
    return result


def _may_carry(row: OutgoingMail) -> bool:
    """Asked of the kind, so that a mail of a campaign costs no look at a table where it has nothing."""
    return row.kind == "plain" or (row.kind in KINDS and KINDS[row.kind].carries_files)


def _letter(row: OutgoingMail, loaded: dict[int, Mail], *, at: datetime) -> Letter:
    """One letter. Call it where nothing is left of an exception: its bodies may hold a clear secret."""
    text, html = row.text, row.html
    if row.sensitive:
        mail = loaded.get(row.object_id or 0)
        if mail is None:
            raise Withdrawn("L'objet de ce courriel n'existe plus.")
        text, html = mail.render(at=at, code=row.code or "")
    files = [(f.name, bytes(f.content), f.mimetype) for f in row.attachments.all()] if _may_carry(row) else []
    return Letter(
        uuid=row.uuid,
        message_id=row.message_id,
        sender=Sender(row.sender),
        to=row.to,
        cc=row.cc,
        bcc=row.bcc,
        reply_to=row.reply_to,
        subject=row.subject,
        text=text,
        html=html,
        headers=row.headers,
        attachments=files,
    )
