import logging
from datetime import datetime

from django.db.models import F

from accounts.models import Contact
from bma_portal.clock import brussels_date

log = logging.getLogger(__name__)


def contact_of(team: str, at: datetime) -> Contact:
    """How to reach that team at that moment; the latest entry wins where two overlap.

    A gap between two entries must not stop a campaign: the nearest entry before it then serves, else the first one
    after. Raises `Contact.DoesNotExist` when the team has none at all.
    """
    entries = Contact.objects.filter(team=team)
    found = entries.valid_on(brussels_date(at)).order_by(F("valid_from").desc(nulls_last=True)).first()
    if found is None:
        log.warning("aucun contact valable ce jour-là", extra={"objet": team})
        past = entries.filter(valid_to__lte=brussels_date(at)).order_by("-valid_to").first()
        found = past or entries.order_by("valid_from").first()
    if found is None:
        raise Contact.DoesNotExist(f"no contact of {team} on {brussels_date(at)}")
    return found
