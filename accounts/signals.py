"""What the apps above may want to follow, sent inside the transaction of the deed."""

from django.dispatch import Signal

grant_ended = Signal()  # grant, by, at: revoked (its natural end needs no signal: every use asks for the day)
holder_left = Signal()  # holder, by, at: the former head of a unit
password_by_hand = Signal()  # credential, by, at: before an agent sets it (DIRECTORY=manual); a receiver may refuse
