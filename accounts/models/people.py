from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """A person: staff, or a holder known by Cerbère. Who one is, is the issuer and the subject of Cerbère (SEC-B1).

    Only a break-glass account has a password here.
    """

    break_glass = models.BooleanField(
        "compte de secours",
        default=False,
        help_text="Entre avec un mot de passe et un second facteur, quand Cerbère est en panne. Tout se voit.",
    )
    cerbere_expires_on = models.DateField("mot de passe Cerbère valable jusqu’au", null=True, blank=True)

    class Meta(AbstractUser.Meta):
        verbose_name = "personne"
        verbose_name_plural = "personnes"

    def __str__(self) -> str:
        return self.get_full_name() or self.get_username()
