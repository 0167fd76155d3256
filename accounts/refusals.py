"""When somebody is not let in: a line in the audit, a line in the log, and a page that says what to do."""

import logging
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.models import User
from bma_portal import audit

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reason:
    """`title` and `sentence` are for the person; what exactly was wrong is for the audit only."""

    title: str
    sentence: str
    status: int = 403
    again: bool = True  # whether trying again may help
    stronger: bool = False  # whether a stronger sign-in would


UNREADABLE = Reason(
    "La connexion n’a pas abouti",
    "La réponse de Cerbère n’a pas pu être vérifiée, ou elle est arrivée trop tard. Vous n’êtes pas connecté.",
)
CANCELLED = Reason(
    "Vous n’êtes pas connecté",
    "La connexion a été interrompue chez Cerbère. Vous pouvez la recommencer quand vous voulez.",
)
UNREACHABLE = Reason(
    "Cerbère ne répond pas",
    "Le service d’identification est momentanément injoignable. Vos identifiants ne sont pas en cause.",
    status=503,
)
WEAK = Reason(
    "Votre rôle demande une connexion renforcée",
    "Vous vous êtes connecté avec un mot de passe seul. Les membres des équipes confirment leur identité par un "
    "second moyen, chez Cerbère.",
    again=False,
    stronger=True,
)
DISABLED = Reason(
    "Votre accès au portail est fermé",
    "Votre compte a été désactivé. Si c’est une erreur, adressez-vous au Service Desk de l’ETNIC.",
    again=False,
)


def refuse(
    request: HttpRequest,
    reason: Reason,
    *,
    why: str,
    user: User | None = None,
    next_url: str = "",
    details: dict[str, Any] | None = None,
) -> HttpResponse:
    """Nobody is signed in by this answer."""
    audit.record(
        "sign_in.refused", at=request.at, about=user, by=user, why=why, result="refused", details=details or {}
    )
    log.warning("connexion refusée", extra={"motif": why, "id": user.pk if user else None})
    context = {"reason": reason, "next": next_url}
    response = render(request, "accounts/sign_in_refused.html", context, status=reason.status)
    if reason.status == 503:
        response["Retry-After"] = "60"
    return response
