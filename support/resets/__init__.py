"""Getting a mailbox's password back (requirements D1 to D21): the use cases that move a `PasswordReset`.

Two paths. MODE: a signed-in person with a grant asks, the password is set at once and shown to that person. Hors MODE:
a form with a proof, one person verifies and calls back, another executes, and the password is picked up with a link
sent to the contact address and a code said on the phone.

Locks are taken in one order: mailbox, grant, request, credential, and the audit last.
"""

from support.resets.asking import ask_in_mode, live_of
from support.resets.contact import TooMany, amend_draft, confirm, draft_hors_mode, send_code
from support.resets.review import accept, execute, refuse
from support.resets.showing import PickUpRefused, pick_up, show
from support.resets.stopping import find_stop, may_be_stopped, stop
from support.resets.upkeep import tick

__all__ = [
    "PickUpRefused",
    "TooMany",
    "accept",
    "amend_draft",
    "ask_in_mode",
    "confirm",
    "draft_hors_mode",
    "execute",
    "find_stop",
    "live_of",
    "may_be_stopped",
    "pick_up",
    "refuse",
    "send_code",
    "show",
    "stop",
    "tick",
]
