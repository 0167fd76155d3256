from django.db import models

from accounts import addresses
from accounts.models.organisations import Organisation


class MailboxQuerySet(models.QuerySet):
    def known_to_exist(self):
        return self.filter(confirmed_on__isnull=False)


class Mailbox(models.Model):
    """The address that follows from a unit's number. Whether the mailbox exists is another fact, `confirmed_on`."""

    organisation = models.OneToOneField(
        Organisation, models.PROTECT, verbose_name="unité", related_name="mailbox", editable=False
    )
    address = models.CharField("adresse", max_length=40, unique=True, editable=False)
    confirmed_on = models.DateField(
        "existence confirmée le",
        null=True,
        blank=True,
        help_text="Le registre ne prouve pas que la boîte existe : date à laquelle ETNIC l’a confirmé.",
    )

    objects = MailboxQuerySet.as_manager()

    class Meta:
        verbose_name = "boîte"
        verbose_name_plural = "boîtes"
        ordering = ["address"]
        constraints = [
            models.CheckConstraint(
                name="mailbox_address_follows_the_rule",
                condition=models.Q(address__regex=addresses.ADDRESS_PATTERN),
                violation_error_message="Une adresse s’écrit ec ou po, six chiffres, puis @adm.cfwb.be.",
            )
        ]

    def __str__(self) -> str:
        return self.address

    @property
    def masked_address(self) -> str:
        """For pages that anyone may open: a list of addresses must not be collected there (A5)."""
        return addresses.masked(self.address)
