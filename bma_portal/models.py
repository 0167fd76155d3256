from django.db import models

from bma_portal.states import StateChange

__all__ = ["AuditEntry", "AuditHead", "RateCount", "ReplayClock", "StateChange", "VaultKey"]


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


class AuditEntry(models.Model):
    """One line of the audit; see `audit.py`, which alone writes it. The database refuses to change or delete it."""

    seq = models.BigIntegerField("ligne", primary_key=True)
    recorded_at = models.DateTimeField("écrite le")  # the database's clock
    at = models.DateTimeField("moment")  # business time
    actor = models.CharField("qui", max_length=150)
    actor_id = models.BigIntegerField("numéro de la personne", null=True, blank=True)
    action = models.CharField("quoi", max_length=60)
    object_type = models.CharField("sorte d’objet", max_length=80, blank=True)
    object_id = models.CharField("numéro de l’objet", max_length=64, blank=True)
    about = models.CharField("objet", max_length=200, blank=True)
    why = models.TextField("pourquoi", blank=True)
    result = models.CharField("résultat", max_length=40, default="ok")
    address = models.CharField("d’où", max_length=64, blank=True)
    request_id = models.CharField("requête", max_length=64, blank=True)
    details = models.JSONField("détails", default=dict, blank=True)
    previous = models.CharField("empreinte de la ligne d’avant", max_length=64)
    hash = models.CharField("empreinte", max_length=64, unique=True)

    class Meta:
        verbose_name = "ligne d’audit"
        verbose_name_plural = "journal d’audit"
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["object_type", "object_id"], name="audit_object"),
            models.Index(fields=["actor_id", "seq"], name="audit_actor"),
            models.Index(fields=["action", "seq"], name="audit_action"),
            models.Index(fields=["recorded_at"], name="audit_moment"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} · {self.action}"


class AuditHead(models.Model):
    """The number and the digest of the last line (one row): a line missing at the end is found by it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seq = models.BigIntegerField("dernière ligne", default=0)
    hash = models.CharField("empreinte", max_length=64)

    class Meta:
        verbose_name = "tête du journal d’audit"
        verbose_name_plural = "têtes du journal d’audit"
        constraints = [models.CheckConstraint(name="one_audit_head", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return str(self.seq)
