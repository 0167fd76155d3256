from django.conf import settings
from django.db import models

from accounts.models.organisations import Organisation


class RegisterImport(models.Model):
    """A register that changed something. A file that changes nothing leaves no trace."""

    file_name = models.CharField("fichier", max_length=255, blank=True)
    sha256 = models.CharField("empreinte SHA-256", max_length=64)
    date = models.DateField("date du registre")
    imported_at = models.DateTimeField("importé le")
    counts = models.JSONField("décompte", default=dict)

    class Meta:
        verbose_name = "import du registre"
        verbose_name_plural = "imports du registre"
        ordering = ["-imported_at", "-pk"]

    def __str__(self) -> str:
        return f"registre du {self.date:%d/%m/%Y}"


class OrganisationChange(models.Model):
    """What changed for a unit, when, and who or which register said so. Written once, never altered."""

    class Field(models.TextChoices):
        CREATED = "created", "création"
        NAME = "name", "nom"
        PO = "po", "pouvoir organisateur"
        NETWORK = "network", "réseau"
        UNIT_TYPES = "unit_types", "types"
        LEVELS = "levels", "niveaux"
        BCE = "bce", "numéro BCE"
        ADDRESS = "address", "adresse"
        POSTAL_CODE = "postal_code", "code postal"
        LOCALITY = "locality", "localité"
        MUNICIPALITY = "municipality", "commune"
        ZONE = "zone", "zone"
        DISTRICT = "district", "arrondissement"
        SITES = "sites", "implantations"
        ORIGIN = "origin", "origine"
        ABSENT = "absent", "absence du registre"
        RETURNED = "returned", "retour dans le registre"
        CLOSED_ON = "closed_on", "fermeture"
        SUCCESSOR = "successor", "reprise"

    organisation = models.ForeignKey(Organisation, models.PROTECT, verbose_name="unité", related_name="changes")
    field = models.CharField("objet", max_length=16, choices=Field)
    old = models.TextField("avant", blank=True)
    new = models.TextField("après", blank=True)
    at = models.DateTimeField("le")
    register_import = models.ForeignKey(
        RegisterImport, models.PROTECT, verbose_name="import", related_name="changes", null=True, blank=True
    )
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, verbose_name="par", related_name="+", null=True, blank=True
    )

    class Meta:
        verbose_name = "changement d’une unité"
        verbose_name_plural = "changements des unités"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.get_field_display()} : {self.old} → {self.new}"
