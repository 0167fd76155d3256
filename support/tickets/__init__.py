"""A holder's question, from the form or the mail to its end (requirements E9 to E11, F1 to F21).

Each use case locks its ticket, checks the version that the page was read at, writes the change with its trace and its
mails, all or none. Locks are taken in one order: tickets by id, incident first; mails after; the audit last.
"""

from support.tickets.assigning import assign, release, take, unwatch, watch
from support.tickets.by_mail import note_by_mail, team_wrote_by_mail
from support.tickets.common import REQUESTER, Stale, joined_by
from support.tickets.ending import (
    close,
    go_on,
    lacks_the_report,
    may_end_by_a_word,
    merge,
    open_items,
    reopen,
    solve,
    thread_of,
    wait,
)
from support.tickets.following import (
    as_writer,
    by_reference,
    give_opinion,
    may_follow,
    opinion_is_open,
    revoke,
    send_follow_code,
    thread_as_told,
    ticket_by_code,
)
from support.tickets.incidents import declare, join, leave, open_incidents, preview, solve_incident, update
from support.tickets.moving import change_requester, check_item, checklist, give_back, set_need, set_priority, transfer
from support.tickets.opening import NoTicket, answers_in_words, expect_a_ticket, need_label, open_ticket, similar
from support.tickets.recalling import as_told, recall
from support.tickets.splitting import split
from support.tickets.thread import answer, note, requester_wrote, save_draft
from support.tickets.upkeep import tick

__all__ = [
    "REQUESTER",
    "NoTicket",
    "Stale",
    "answer",
    "answers_in_words",
    "as_told",
    "as_writer",
    "assign",
    "by_reference",
    "change_requester",
    "check_item",
    "checklist",
    "close",
    "declare",
    "expect_a_ticket",
    "give_back",
    "give_opinion",
    "go_on",
    "join",
    "joined_by",
    "lacks_the_report",
    "leave",
    "may_end_by_a_word",
    "may_follow",
    "merge",
    "need_label",
    "note",
    "note_by_mail",
    "open_incidents",
    "open_items",
    "open_ticket",
    "opinion_is_open",
    "preview",
    "recall",
    "release",
    "reopen",
    "requester_wrote",
    "revoke",
    "save_draft",
    "send_follow_code",
    "set_need",
    "set_priority",
    "similar",
    "solve",
    "solve_incident",
    "split",
    "take",
    "team_wrote_by_mail",
    "thread_as_told",
    "thread_of",
    "tick",
    "ticket_by_code",
    "transfer",
    "unwatch",
    "update",
    "wait",
    "watch",
]
