"""The sealed secrets of allauth's second factors, for the rotation of the vault's keys."""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.adapters import SECOND_FACTOR
from bma_portal import vault

COLUMNS = ("secret", "seed")  # of a TOTP, of recovery codes


class SecondFactors:
    """A holding of sealed texts like those of `rotation.Holding`, inside a JSON column."""

    def sealed_by(self, key_id: str) -> QuerySet:
        return Authenticator.objects.filter(
            Q(data__secret__startswith=f"{key_id}.") | Q(data__seed__startswith=f"{key_id}.")
        )

    def seal_again(self) -> int:
        key_id = vault.current_key_id()
        done = 0
        with transaction.atomic():
            for row in Authenticator.objects.select_for_update(of=("self",)).exclude(
                pk__in=self.sealed_by(key_id).values("pk")
            ):
                for name in COLUMNS:
                    if name in row.data:
                        clear = vault.unseal(row.data[name], bound_to=SECOND_FACTOR)
                        row.data[name] = vault.seal(clear, bound_to=SECOND_FACTOR)
                row.save(update_fields=["data"])
                done += 1
        return done
