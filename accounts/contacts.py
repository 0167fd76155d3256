from datetime import datetime

from django.db.models import F

from accounts.models import Contact
from bma_portal.clock import brussels_date


def contact_of(team: str, at: datetime) -> Contact:
    """How to reach that team at that moment; the latest entry wins where two overlap.

    Raises `Contact.DoesNotExist` when none was valid then.
    """
    valid = Contact.objects.filter(team=team).valid_on(brussels_date(at))
    found = valid.order_by(F("valid_from").desc(nulls_last=True)).first()
    if found is None:
        raise Contact.DoesNotExist(f"no contact of {team} on {brussels_date(at)}")
    return found
