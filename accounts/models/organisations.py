"""Who has a mailbox: establishments and POs, and the sites, which have none (S3 §1)."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import F, Q

from accounts import addresses
from accounts.fase import LONGEST, LONGEST_POSTAL_CODE
from accounts.words import fold
from bma_portal.clock import brussels_date

FASE_VALIDATORS = [
    MinValueValidator(1, "Un numéro FASE va de 1 à 999999."),
    MaxValueValidator(999_999, "Un numéro FASE va de 1 à 999999."),
]
FASE_RANGE = Q(fase__gte=1, fase__lte=999_999)


def search_key(name: str, municipality: str, locality: str) -> str:
    """What sorts a list and what a search looks into: name, municipality, locality, folded.

    Many establishments bear the same name: the municipality decides their order.
    """
    town, place = fold(municipality), fold(locality)
    return " ".join(part for part in (fold(name), town, "" if place == town else place) if part)


class OrganisationQuerySet(models.QuerySet):
    def establishments(self):
        return self.filter(kind=Organisation.Kind.EC)

    def pos(self):
        return self.filter(kind=Organisation.Kind.PO)

    def from_register(self):
        return self.filter(origin=Organisation.Origin.REGISTER)

    def absent(self):
        """No longer in the register. That does not mean closed."""
        return self.filter(absent_since__isnull=False)

    def plannable(self, at: datetime):
        """Neither closed at that moment nor replaced by another (A10)."""
        open_then = Q(closed_on=None) | Q(closed_on__gt=brussels_date(at))
        return self.filter(open_then, successor=None)

    def over(self, at: datetime):
        """The others."""
        return self.filter(Q(closed_on__lte=brussels_date(at)) | Q(successor__isnull=False))

    def matching(self, text: str):
        """By FASE number or address if `text` is one, else by words of the name or the place, accents apart."""
        typed = "".join(text.split())[:64].lower()
        kind = typed[:2] if typed[:2] in addresses.KINDS else None
        digits, _, host = typed.removeprefix(kind or "").partition("@")
        whole = addresses.DOMAIN.startswith(host)  # an address may be cut where it was copied
        if whole and digits.isascii() and digits.isdigit() and len(digits) <= 6:
            return self.filter(kind__in=[kind] if kind else addresses.KINDS, fase=int(digits))
        words = fold(text[:200]).split()[:10]
        if not words:
            return self.none() if text.strip() else self
        return self.filter(*(Q(search_key__contains=word) for word in words))


class Organisation(models.Model):
    """An establishment (EC) or a PO. Two spaces of numbers: the same digits may be one of each, unrelated."""

    class Kind(models.TextChoices):
        EC = addresses.EC, "établissement"
        PO = addresses.PO, "pouvoir organisateur"

    class Origin(models.TextChoices):
        REGISTER = "register", "registre FASE"
        STAFF = "staff", "ajout manuel"

    kind = models.CharField("nature", max_length=2, choices=Kind)
    fase = models.PositiveIntegerField("numéro FASE", validators=FASE_VALIDATORS)
    name = models.CharField("nom", max_length=LONGEST)
    network = models.CharField("réseau", max_length=LONGEST, blank=True)
    unit_types = ArrayField(
        models.CharField(max_length=LONGEST),
        verbose_name="types",
        default=list,
        blank=True,
        help_text="Séparés par des virgules, par exemple « CPMS » ou « Maternel ordinaire, Primaire ordinaire ».",
    )
    levels = ArrayField(models.CharField(max_length=LONGEST), verbose_name="niveaux", default=list, blank=True)
    bce = models.CharField(
        "numéro BCE",
        max_length=10,
        blank=True,
        validators=[RegexValidator(r"\A[0-9]{10}\Z", "Un numéro BCE compte dix chiffres.")],
    )
    address = models.CharField("adresse", max_length=LONGEST, blank=True)
    postal_code = models.CharField("code postal", max_length=LONGEST_POSTAL_CODE, blank=True)
    locality = models.CharField("localité", max_length=LONGEST, blank=True)
    municipality = models.CharField("commune", max_length=LONGEST, blank=True)
    zone = models.CharField("zone", max_length=LONGEST, blank=True)
    district = models.CharField("arrondissement", max_length=LONGEST, blank=True)
    po = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name="pouvoir organisateur",
        related_name="establishments",
        null=True,
        blank=True,
        limit_choices_to={"kind": Kind.PO},
    )
    origin = models.CharField("origine", max_length=8, choices=Origin, default=Origin.STAFF)
    absent_since = models.DateField(
        "absente du registre depuis",
        null=True,
        blank=True,
        help_text="Date du premier registre où elle ne figurait plus. Absente ne veut pas dire fermée.",
    )
    closed_on = models.DateField("fermée le", null=True, blank=True)
    successor = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name="reprise par",
        related_name="predecessors",
        null=True,
        blank=True,
        help_text="Après une fusion ou une fermeture : l’unité vers laquelle renvoyer. Elle ne se planifie plus.",
    )
    # The number to call back before a password is given (D18): recorded by staff, never taken from a request.
    phone = models.CharField("téléphone de l’annuaire", max_length=40, blank=True)
    phone_source = models.CharField("source du téléphone", max_length=120, blank=True)
    phone_recorded_at = models.DateTimeField("téléphone enregistré le", null=True, blank=True, editable=False)
    phone_recorded_by = models.CharField("téléphone enregistré par", max_length=150, blank=True, editable=False)
    # Collation C: the same order on every server, whatever its locale.
    search_key = models.CharField("clé de recherche", max_length=800, editable=False, db_collation="C")

    objects = OrganisationQuerySet.as_manager()

    class Meta:
        verbose_name = "unité"
        verbose_name_plural = "unités"
        ordering = ["search_key", "kind", "fase"]
        indexes = [
            models.Index(fields=["search_key", "kind", "fase"], name="organisation_order"),
            GinIndex(OpClass(F("search_key"), name="gin_trgm_ops"), name="organisation_words"),
        ]
        constraints = [
            models.UniqueConstraint(
                name="organisation_number_once_per_kind",
                fields=["kind", "fase"],
                violation_error_message="Ce numéro FASE existe déjà pour cette nature d’unité.",
            ),
            models.CheckConstraint(
                name="organisation_fase_has_six_digits",
                condition=FASE_RANGE,
                violation_error_message="Un numéro FASE va de 1 à 999999.",
            ),
            models.CheckConstraint(
                name="organisation_kind_known",
                condition=Q(kind__in=addresses.KINDS),
                violation_error_message="Une unité est un établissement ou un pouvoir organisateur.",
            ),
            models.CheckConstraint(
                name="organisation_bce_ten_digits_or_none",
                condition=Q(bce="") | Q(bce__regex=r"^[0-9]{10}$"),
                violation_error_message="Un numéro BCE compte dix chiffres.",
            ),
            models.CheckConstraint(
                name="organisation_po_of_establishments_only",
                condition=Q(kind=addresses.EC) | Q(po=None),
                violation_error_message="Seul un établissement dépend d’un pouvoir organisateur.",
            ),
            models.CheckConstraint(
                name="organisation_successor_is_another",
                condition=Q(successor=None) | ~Q(successor=F("id")),
                violation_error_message="Une unité ne peut pas se succéder à elle-même.",
            ),
            models.CheckConstraint(
                name="organisation_absent_from_register_only",
                condition=Q(absent_since=None) | Q(origin="register"),
                violation_error_message="Seule une unité venue du registre peut en être absente.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} · {self.name}"

    def save(self, **kwargs) -> None:
        self.unit_types = sorted(set(self.unit_types))
        self.levels = sorted(set(self.levels))
        self.search_key = search_key(self.name, self.municipality, self.locality)
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "search_key"}
        super().save(**kwargs)

    def clean(self) -> None:
        if self.po and self.po.kind != self.Kind.PO:
            raise ValidationError({"po": "Choisissez un pouvoir organisateur."})
        if self.successor and self.successor.kind != self.kind:
            raise ValidationError({"successor": "La reprise se fait entre unités de même nature."})
        if self.successor and self.pk and self in self.successor.line_of_succession():
            raise ValidationError({"successor": "Ces unités se succéderaient en cercle."})

    @property
    def number(self) -> str:
        """`EC 001234`: shown everywhere beside the name, since names are not unique."""
        return f"{self.kind.upper()} {self.fase:06d}"

    def line_of_succession(self) -> list["Organisation"]:
        """This unit, the one that took it over, and so on to the last (A10)."""
        line = [self]
        while (following := line[-1].successor) and following not in line:
            line.append(following)
        return line

    def is_plannable(self, at: datetime) -> bool:
        return self.successor_id is None and (self.closed_on is None or self.closed_on > brussels_date(at))


class Site(models.Model):
    """An « implantation »: a place with a FASE number of a third space, and no mailbox."""

    fase = models.PositiveIntegerField("numéro FASE d’implantation", unique=True, validators=FASE_VALIDATORS)
    address = models.CharField("adresse", max_length=LONGEST, blank=True)
    postal_code = models.CharField("code postal", max_length=LONGEST_POSTAL_CODE, blank=True)
    locality = models.CharField("localité", max_length=LONGEST, blank=True)
    municipality = models.CharField("commune", max_length=LONGEST, blank=True)
    establishments = models.ManyToManyField(
        Organisation, through="SitePlacement", related_name="sites", verbose_name="établissements"
    )

    class Meta:
        verbose_name = "implantation"
        verbose_name_plural = "implantations"
        ordering = ["fase"]
        constraints = [
            models.CheckConstraint(
                name="site_fase_has_six_digits",
                condition=FASE_RANGE,
                violation_error_message="Un numéro FASE va de 1 à 999999.",
            )
        ]

    def __str__(self) -> str:
        return f"implantation {self.fase} · {self.address}, {self.postal_code} {self.municipality}"


class SitePlacement(models.Model):
    """Which establishments a site belongs to; several may share one."""

    site = models.ForeignKey(Site, models.PROTECT, verbose_name="implantation", related_name="placements")
    establishment = models.ForeignKey(
        Organisation,
        models.PROTECT,
        verbose_name="établissement",
        related_name="placements",
        limit_choices_to={"kind": addresses.EC},
    )

    class Meta:
        verbose_name = "implantation d’un établissement"
        verbose_name_plural = "implantations des établissements"
        constraints = [models.UniqueConstraint(name="site_placed_once", fields=["site", "establishment"])]

    def __str__(self) -> str:
        return f"{self.establishment_id} sur {self.site_id}"
