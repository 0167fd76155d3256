"""Limits for visitors, counted in PostgreSQL by its own clock: they hold whatever becomes of Redis."""

import hmac
import ipaddress
import math
from dataclasses import dataclass

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from bma_portal.planned import Place, Plan


@dataclass(frozen=True)
class Limit:
    """At most `count` uses in each window of `seconds`."""

    name: str
    count: int
    seconds: int


@dataclass(frozen=True)
class Use:
    """One that was counted: its rank in its window, which began so many seconds before."""

    limit: Limit
    number: int
    spent: float

    @property
    def wait(self) -> int:
        """0 if the limit holds, else the seconds until the next window."""
        return 0 if self.number <= self.limit.count else max(math.ceil(self.limit.seconds - self.spent), 1)


def client_address(request: HttpRequest) -> str:
    """The visitor's address: X-Forwarded-For is believed from the trusted proxies only, read from the right.

    An IPv6 visitor is counted by network (/64), since one person owns all of it.
    """
    address = request.META.get("REMOTE_ADDR", "")
    if settings.TRUSTED_PROXIES:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        if len(hops) >= settings.TRUSTED_PROXIES:
            address = hops[-settings.TRUSTED_PROXIES]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "inconnue"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:  # how a socket of both families names an IPv4 visitor
            return str(parsed.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(parsed), 64), strict=False))
    return str(parsed)


def exceeded(request: HttpRequest, *limits: Limit) -> int:
    """Count this use by this visitor against each limit; 0 if all hold, else the seconds to wait."""
    return exceeded_by(client_address(request), *limits)


def exceeded_by(key: str, *limits: Limit) -> int:
    """The same for one use by `key`: an address, a person, a mailbox, a destination."""
    return exceeded_among(*((key, limit) for limit in limits))


_count = Plan(
    """
    WITH quick AS (SELECT set_config('synchronous_commit', 'off', true) AS done),
    w AS (
        SELECT bucket, to_timestamp(floor(extract(epoch FROM clock_timestamp()) / s) * s) AS start
        FROM unnest(%s::text[], %s::int[]) AS u (bucket, s), quick WHERE done <> ''
    )
    INSERT INTO bma_portal_ratecount (bucket, "window", count)
    SELECT bucket, start, 1 FROM w ORDER BY bucket
    ON CONFLICT (bucket, "window") DO UPDATE SET count = bma_portal_ratecount.count + 1
    RETURNING bucket, count, extract(epoch FROM clock_timestamp() - "window")""",
    [Place(0), Place(1)],
    ["texts", "numbers"],
)


def exceeded_among(*uses: tuple[str, Limit]) -> int:
    """The same for uses by several keys, counted all, in one statement."""
    return max((use.wait for use in counted(*uses)), default=0)


def counted(*uses: tuple[str, Limit]) -> list[Use]:
    """Each use by each key, counted whichever limit holds.

    What one visitor can use up for all must not stand beside what stops that visitor: ask for the latter first.
    A key is kept as a keyed digest only, and told apart by the limits' names. Outside a transaction: what is rolled
    back is not counted. Always in the order of the buckets: two who count at once do not wait for each other. Nobody
    waits for the disk either: a server that falls forgets the counts of its last second, and nothing else.
    """
    buckets = {f"{limit.name}:{_digest(key)}": limit for key, limit in uses}
    rows = _count.fetch([list(buckets), [limit.seconds for limit in buckets.values()]])
    return [Use(buckets[bucket], number, float(spent)) for bucket, number, spent in rows]


def was_counted(key: str, limit: Limit) -> bool:
    """Whether a use by `key` was counted in this window of the limit. Counts nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT 1 FROM bma_portal_ratecount WHERE bucket = %s
               AND "window" = to_timestamp(floor(extract(epoch FROM clock_timestamp()) / %s) * %s)""",
            [f"{limit.name}:{_digest(key)}", limit.seconds, limit.seconds],
        )
        return cursor.fetchone() is not None


def _digest(key: str) -> str:
    return hmac.digest(settings.SECRET_KEY.encode(), key.encode("utf-8", "replace"), "sha256").hex()[:32]


def forget_old_counts() -> None:
    """Delete the counts of past days."""
    with connection.cursor() as cursor:
        cursor.execute("""DELETE FROM bma_portal_ratecount WHERE "window" < clock_timestamp() - interval '1 day'""")
