"""Where sealed texts are kept, so that one command seals them all again (SEC-C8). Each app says so when ready."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet

from bma_portal import vault
from bma_portal.secret import leaving_no_trace


@dataclass(frozen=True)
class Holding:
    """A column of sealed texts. `rows()` are those that still hold one, each with its `bound_to`."""

    rows: Callable[[], QuerySet]
    column: str

    def sealed_by(self, key_id: str) -> QuerySet:
        return self.rows().filter(**{f"{self.column}__startswith": f"{key_id}."})

    def seal_again(self, *, batch: int = 200) -> int:
        """Seal under the current key what an older one sealed; how many rows. Killed, rerun it."""
        key_id = vault.current_key_id()
        done = 0
        while True:
            with transaction.atomic():
                rows = list(
                    self.rows()
                    .select_for_update(skip_locked=True, of=("self",))
                    .exclude(**{f"{self.column}__startswith": f"{key_id}."})
                    .order_by("pk")[:batch]
                )
                for row in rows:
                    with leaving_no_trace():
                        clear = vault.unseal(getattr(row, self.column), bound_to=row.bound_to)
                        setattr(row, self.column, vault.seal(clear, bound_to=row.bound_to))
                self.rows().model._default_manager.bulk_update(rows, [self.column])
            if not rows:
                return done
            done += len(rows)


_holdings: dict[str, Holding] = {}


def hold(name: str, holding: Holding) -> None:
    """By name: once more changes nothing."""
    _holdings[name] = holding


def holdings() -> list[Holding]:
    return list(_holdings.values())
