"""What those who work at a ticket write in it by mail: Priminfo and Enseignement.be their answers, anybody a note."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from bma_portal.errors import Refusal
from support import ticket_mails
from support.models import Message, Ticket
from support.proofs import Prepared
from support.tickets.common import Kind, Status, expect_live, save
from support.tickets.ending import solve_locked
from support.tickets.moving import give_back
from support.tickets.thread import answered_locked, attach, becomes, clean_text, locked_heir, write
from support.tickets.words import Word, word_of


def team_wrote_by_mail(
    ticket: Ticket,
    *,
    team: str,
    sender_name: str,
    text: str,
    quoted: str = "",
    html: str = "",
    files: Sequence[tuple[str, Prepared]] = (),
    refused: Sequence[str] = (),
    tell_refused: bool = True,
    at: datetime,
) -> Message:
    """A reply of Priminfo or Enseignement.be, by mail: a public answer, the requester's turn (F10).

    Unless it begins with a word (`support/tickets/words.py`): « pas pour nous » returns the ticket, and nothing of it
    is public; « résolu » solves it, after the answer that the rest is.

    `refused`: its files that could not be taken, with why, in words for their sender. They are in a note, and mailed
    to the team; the requester reads that there were some. Raises Refusal if that team has not got the
    ticket (any more), if it has ended, or if only the desk may solve it.
    """
    word, rest = word_of(text)
    how: dict[str, Any] = {"quoted": quoted, "html": html}
    with transaction.atomic():
        row = locked_heir(ticket)
        if row.team != team:
            raise Refusal("Cette demande n’est plus confiée à votre équipe : votre message n’y est pas ajouté.")
        expect_live(row)
        if word is Word.NOT_OURS:
            said = clean_text("\n\n".join([text, *refused]))
            message = write(row, Kind.NOTE, text=said, author=None, name=sender_name, by_mail=True, at=at, **how)
            attach(row, message, files, at=at)
            why = " ".join(rest.split())[:300] or "elle répond par mail que la demande n’est pas pour elle."
            give_back(row, why=why, by=sender_name, at=at)
        elif word is Word.SOLVED:
            rest = _without(rest, refused)
            answered = answered_locked(row, text=rest, by=sender_name, files=files, at=at, **how) if rest else None
            told = solve_locked(row, by=sender_name, by_a_word=True, at=at)
            if answered is None:
                attach(row, told, files, at=at)
            message = answered or told
            save(row, at=at)
        else:
            said = _without(clean_text(text), refused)
            message = answered_locked(row, text=said, by=sender_name, files=files, at=at, **how)
            becomes(row, Status.WAITING, by=sender_name, at=at)
            save(row, at=at)
        if refused and word is not Word.NOT_OURS:
            write(row, Kind.NOTE, text="\n".join(refused), author=None, name=sender_name, by_mail=True, at=at)
            if tell_refused:
                ticket_mails.tell_refused(row, message, refused, at=at)
    return message


def _without(text: str, refused: Sequence[str]) -> str:
    """What the requester reads of an answer some of whose files could not be taken."""
    if not text or not refused:
        return text
    said = "Un fichier n’a pas pu être joint" if len(refused) == 1 else "Des fichiers n’ont pas pu être joints"
    return f"{text}\n\n({said} à cette réponse.)"


def note_by_mail(
    ticket: Ticket,
    *,
    sender_name: str,
    text: str,
    quoted: str = "",
    html: str = "",
    files: Sequence[tuple[str, Prepared]] = (),
    at: datetime,
) -> Message:
    """What somebody who works at a ticket writes by mail to the others who do: nothing moves, nobody is told.

    Raises Refusal once its texts are erased.
    """
    with transaction.atomic():
        row = locked_heir(ticket)
        if row.erased_at:
            raise Refusal("Les textes de cette demande sont effacés : rien ne s’y ajoute plus.")
        how: dict[str, Any] = {"quoted": quoted, "html": html, "by_mail": True}
        message = write(row, Kind.NOTE, text=clean_text(text), author=None, name=sender_name, at=at, **how)
        attach(row, message, files, at=at)
        save(row, at=at)
    return message
