"""MODE as the rest of the portal asks about it: the perimeter, who is what, and the deeds.

`perimeter.py` knows which units are in it, `qualities.py` who is what towards a unit, `grants.py` and `holders.py`
what persons may do about it.
"""

from accounts.grants import ask, decide, grant, revoke, withdraw
from accounts.holders import appoint_gia, change_holder, end_gia
from accounts.perimeter import Perimeter, is_open, perimeter_of
from accounts.qualities import gias_of, grant_for, grants_of, holder_of, is_linked, overseen_by, scope_of

__all__ = [
    "Perimeter",
    "appoint_gia",
    "ask",
    "change_holder",
    "decide",
    "end_gia",
    "gias_of",
    "grant",
    "grant_for",
    "grants_of",
    "holder_of",
    "is_linked",
    "is_open",
    "overseen_by",
    "perimeter_of",
    "revoke",
    "scope_of",
    "withdraw",
]
