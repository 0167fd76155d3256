from django.db import models

from bma_portal.states import StateChange

__all__ = ["RateCount", "ReplayClock", "StateChange", "VaultKey"]


class ReplayClock(models.Model):
    """The moment that a replay gives to every process (one row); see `clock.now()`."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField("moment")
    expires_at = models.DateTimeField("valable jusqu’à")

    class Meta:
        verbose_name = "horloge de rejeu"
        verbose_name_plural = "horloges de rejeu"
        constraints = [models.CheckConstraint(name="one_replay_clock", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class RateCount(models.Model):
    """How often one visitor asked in one window; see `limits.py`. No address in clear."""

    bucket = models.CharField("compteur", max_length=100)
    window = models.DateTimeField("fenêtre")
    count = models.PositiveIntegerField("nombre")

    class Meta:
        verbose_name = "compteur de limite"
        verbose_name_plural = "compteurs de limite"
        constraints = [models.UniqueConstraint(fields=["bucket", "window"], name="one_count_per_window")]

    def __str__(self) -> str:
        return f"{self.bucket} {self.count}"


class VaultKey(models.Model):
    """What a key of the vault sealed the first time it was used: tells a wrong key from an altered row."""

    key_id = models.CharField("clé", max_length=20, primary_key=True)
    canary = models.TextField("témoin")

    class Meta:
        verbose_name = "clé du coffre"
        verbose_name_plural = "clés du coffre"

    def __str__(self) -> str:
        return self.key_id
