"""`rotate_vault`: seal every secret again under the first key, so that the older ones can be withdrawn."""

from typing import Any

from django.conf import settings

from bma_portal import audit, clock, rotation, vault
from bma_portal.commands import PortalCommand


class Command(PortalCommand):
    help = "Rescelle les secrets sous la première clé de BMA_VAULT_KEYS. Interrompue, la commande se relance."

    def add_arguments(self, parser: Any) -> None:
        self.add_json(parser)

    def handle(self, **options: Any) -> None:
        vault.verify()
        # Before it: what follows is committed by pieces, and may be killed between two.
        audit.record("vault.rotated", at=clock.now(), details={"clé": vault.current_key_id()})
        done = sum(holding.seal_again() for holding in rotation.holdings())
        current, *former = vault.parse_keys(settings.BMA_VAULT_KEYS)
        left = {key_id: sum(one.sealed_by(key_id).count() for one in rotation.holdings()) for key_id in former}
        removable = [key_id for key_id, count in left.items() if not count]
        still_used = {key_id: count for key_id, count in left.items() if count}
        if options["json"]:
            self.write_json({"key": current, "sealed_again": done, "removable": removable, "left": still_used})
            return
        self.stdout.write(f"{done} secrets rescellés sous la clé « {current} ».")
        for key_id, count in still_used.items():
            self.stdout.write(f"« {key_id} » scelle encore {count} secrets, occupés ailleurs : relancez la commande.")
        for key_id in removable:
            self.stdout.write(f"« {key_id} » ne scelle plus rien : vous pouvez la retirer de BMA_VAULT_KEYS.")
