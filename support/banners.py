"""Which banners a person sees on a page (G11): one statement a request, none where no page is made."""

from datetime import datetime
from typing import Any

from bma_portal.prepared import Prepared
from support.desk import teams_of
from support.models.banners import Banner

_shown = Prepared(lambda at: Banner.objects.shown(at))
_ORDER = [kind.value for kind in Banner.Kind]


def banners_for(user: Any, at: datetime) -> list[Banner]:
    """Those of that moment, the gravest first. Whose session it is matters only if one of them is not for everyone."""
    found = sorted(_shown(at=at), key=lambda banner: (_ORDER.index(banner.kind), banner.starts_at))
    return [banner for banner in found if banner.audience in _audiences(banner, user)]


def _audiences(banner: Banner, user: Any) -> set[str]:
    audiences = {Banner.Audience.EVERYONE.value}
    if banner.audience not in audiences and user is not None and user.is_authenticated:
        audiences.add(Banner.Audience.SIGNED_IN.value)
        if user.is_staff or teams_of(user):  # Priminfo and Enseignement.be have a desk, and nothing of the admin
            audiences.add(Banner.Audience.STAFF.value)
    return audiences
