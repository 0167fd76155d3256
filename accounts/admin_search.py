"""One way to search the staff's lists: by the unit, however it is named."""

from django.db.models import Q, QuerySet

from accounts.models import Organisation

SEARCHED = "Numéro FASE, adresse, ou mots du nom ou de la commune (avec ou sans accents)."


def of_units(queryset: QuerySet, text: str, path: str, *, or_else: Q | None = None) -> QuerySet:
    """The rows whose unit, at the end of `path`, is the one that was typed; or those of `or_else`.

    The units are found first, by their own indexes: the words of a name are not looked for in each row's.
    """
    if not text.strip():
        return queryset
    found = Q(**{f"{path}__in": Organisation.objects.matching(text).order_by().values("pk")})
    return queryset.filter(found | or_else if or_else else found)
