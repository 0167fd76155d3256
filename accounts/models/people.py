from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A person who works in the portal. Holders of mailboxes sign in otherwise and are not kept here."""

    class Meta(AbstractUser.Meta):
        verbose_name = "personne"
        verbose_name_plural = "personnes"
