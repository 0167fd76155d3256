"""The four desks as they begin: what `install` puts in the tables, once; staff change it afterwards."""

from typing import Any

from accounts.models import Contact

TEAMS = Contact.Team
BY_MAIL = {TEAMS.PRIMINFO, TEAMS.ENSEIGNEMENT_BE}  # they may also sign in to the desk

# team, title, text, needs
CANNED: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        TEAMS.ETNIC,
        "Boîte pleine : faire de la place",
        "Bonjour {prénom} {nom},\n\nLa boîte {boîte} ne reçoit plus rien parce qu’elle est pleine. Supprimez les "
        "mails dont vous n’avez plus besoin, puis videz les éléments supprimés : la boîte pourra de nouveau recevoir "
        "des mails. S’ils n’arrivent toujours pas, répondez à ce message.",
        ("reception",),
    ),
    (
        TEAMS.ETNIC,
        "Premier accès à la nouvelle interface",
        "Bonjour {prénom} {nom},\n\nVotre boîte {boîte} a migré le {date_migration}. Le mot de passe à utiliser est "
        "celui du second mail de la migration, sans espace avant ni après.",
        ("technique", "configuration"),
    ),
    (
        TEAMS.ETNIC,
        "Vol : ce qu’il nous faut",
        "Bonjour {prénom} {nom},\n\nPour enregistrer la perte du matériel de {unité}, il nous faut la copie du "
        "procès-verbal de la police. Joignez-la à votre réponse, sur le portail. Le matériel volé n’est pas remplacé.",
        ("vol",),
    ),
    (
        TEAMS.SGNE,
        "Date de la migration",
        "Bonjour {prénom} {nom},\n\n{phase}\n\nLa nuit prévue pour la boîte {boîte} : {nuit_prévue}.",
        ("procedure", "pas-de-mail-1"),
    ),
    (
        TEAMS.SGNE,
        "Nous vérifions auprès de l’ETNIC",
        "Bonjour {prénom} {nom},\n\nNous vérifions avec l’ETNIC où en est la boîte {boîte} et revenons vers vous. "
        "Votre demande garde la référence {référence}.",
        (),
    ),
)


def install(team_model: Any, canned_model: Any) -> None:
    """Doing it twice adds nothing, and changes nothing that staff changed."""
    for code in TEAMS.values:
        team_model.objects.get_or_create(pk=code, defaults={"by_mail": code in BY_MAIL})
    for team, title, text, needs in CANNED:
        canned_model.objects.get_or_create(team=team, title=title, defaults={"text": text, "needs": list(needs)})
