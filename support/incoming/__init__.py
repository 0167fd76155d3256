"""Mail in (F10): from the senders' inboxes to the tickets, or to a person who decides.

`reading` reads the inboxes, `parsing` says what a mail holds, `masking` takes the secrets out of it, `threading` finds
its ticket, `receiving` decides and acts, `quarantine` holds what a person decides. Nothing answers a mail by itself
but the acknowledgement of a new ticket.
"""

from support.incoming.reading import tick

__all__ = ["tick"]
