"""The articles of /aide/. Files under `articles/` are the truth; these rows are what was read of them, to be searched.

Nobody edits a row: publishing is a change of a file, restoring is undoing that change (`support/articles/loading.py`).
"""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from accounts.models import Contact


class Article(models.Model):
    """One file, as it stands. Its text is that of its current version; a file that is gone leaves a withdrawn row."""

    class Topic(models.TextChoices):
        PASSWORD = "mot-de-passe", "Mots de passe"
        RECEPTION = "reception", "Recevoir et lire ses mails"
        SETTINGS = "configuration", "Configurer Outlook, un téléphone, un autre logiciel"
        CERBERE = "cerbere", "Cerbère"
        MIGRATION = "migration", "La migration"
        HARDWARE = "materiel", "Le matériel"
        INTERNET = "internet", "La connexion à internet"
        USE = "usage", "Bien utiliser la boîte"
        CIRCULARS = "circulaires", "Les circulaires"
        GLOSSARY = "glossaire", "Les mots et les sigles"

    class Audience(models.TextChoices):
        HEADS = "directions", "directions"
        PO = "po", "pouvoirs organisateurs"
        TEAMS = "equipes", "équipes"

    slug = models.SlugField("adresse", max_length=80, unique=True)
    version = models.PositiveIntegerField("version", default=1)
    title = models.CharField("titre", max_length=80)
    summary = models.CharField("résumé", max_length=200)
    topic = models.CharField("sujet", max_length=20, choices=Topic)
    audience = ArrayField(models.CharField(max_length=20), verbose_name="public")
    needs = ArrayField(models.CharField(max_length=40), verbose_name="besoins", default=list, blank=True)
    phases = ArrayField(models.CharField(max_length=20), verbose_name="phases", default=list, blank=True)
    keywords = ArrayField(models.CharField(max_length=120), verbose_name="autres mots", default=list, blank=True)
    replaces = ArrayField(models.CharField(max_length=80), verbose_name="remplace", default=list, blank=True)
    valid_from = models.DateField("montré dès le", null=True, blank=True)
    valid_to = models.DateField("montré jusqu’au (exclu)", null=True, blank=True)
    ends_with_old_server = models.BooleanField("prend fin avec l’ancien serveur", default=False)
    source = models.CharField("source", max_length=300)
    review_on = models.DateField("à revoir le")
    owner = models.CharField("responsable", max_length=16, choices=Contact.Team)
    reminded_for = models.DateField("relecture rappelée pour le", null=True, blank=True, editable=False)
    withdrawn_at = models.DateTimeField("retiré le", null=True, blank=True)
    file_digest = models.CharField("empreinte du fichier", max_length=64, editable=False)
    search = SearchVectorField(editable=False)

    class Meta:
        verbose_name = "article d’aide"
        verbose_name_plural = "articles d’aide"
        ordering = [F("withdrawn_at").asc(nulls_first=True), "review_on", "slug"]
        indexes = [
            GinIndex(name="article_search", fields=["search"]),
            GinIndex(name="article_needs", fields=["needs"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="article_ends_after_it_begins",
                condition=Q(valid_from=None) | Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("aide_article", args=[self.slug])


class ArticleVersion(models.Model):
    """What readers read from that loading on. The next one begins when title, summary or text changes."""

    article = models.ForeignKey(Article, models.PROTECT, related_name="versions", verbose_name="article")
    number = models.PositiveIntegerField("numéro")
    title = models.CharField("titre", max_length=80)
    summary = models.CharField("résumé", max_length=200)
    body = models.TextField("texte")
    digest = models.CharField("empreinte", max_length=64)
    loaded_at = models.DateTimeField("publiée le")

    class Meta:
        verbose_name = "version d’un article"
        verbose_name_plural = "versions des articles"
        ordering = ["article", "-number"]
        constraints = [models.UniqueConstraint(name="article_version_once", fields=["article", "number"])]

    def __str__(self) -> str:
        return f"{self.title}, version {self.number}"


class ArticleVote(models.Model):
    """« Cet article vous a-t-il été utile ? »: about one version, by nobody in particular."""

    class Reason(models.TextChoices):
        SOLVED = "resolu", "a évité une demande"
        INCOMPLETE = "incomplet", "Il manque une information"
        UNCLEAR = "obscur", "Je ne comprends pas une étape"
        WRONG = "inexact", "Ce n’est pas ce que je vois à l’écran"
        ELSEWHERE = "autre-sujet", "Ce n’est pas ce que je cherchais"

    version = models.ForeignKey(ArticleVersion, models.PROTECT, related_name="votes", verbose_name="version")
    helpful = models.BooleanField("utile")
    reason = models.CharField("raison", max_length=20, choices=Reason, blank=True)
    text = models.CharField("précision", max_length=300, blank=True)
    need = models.CharField("besoin", max_length=40, blank=True)  # what was being asked when the article answered
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "avis sur un article"
        verbose_name_plural = "avis sur les articles"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return "utile" if self.helpful else "pas utile"


class ArticleWord(models.Model):
    """A word that stands in an article: what a mistyped one is brought back to."""

    word = models.CharField("mot", max_length=60, primary_key=True)

    class Meta:
        verbose_name = "mot des articles"
        verbose_name_plural = "mots des articles"
        indexes = [GinIndex(OpClass(F("word"), name="gin_trgm_ops"), name="article_word_trigrams")]

    def __str__(self) -> str:
        return self.word
