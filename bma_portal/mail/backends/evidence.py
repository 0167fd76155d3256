"""From an exception of exchangelib to a verdict, by cause before class (exchange.md §6).

The library blurs its evidence: a connection that was never made and one that was cut after the mail left may bear
the same name. So the chain of causes is walked first.
"""

from collections.abc import Iterator

import requests
from exchangelib.errors import TransportError
from urllib3.exceptions import NewConnectionError

from bma_portal.verdicts import Outcome, Verdict


class HttpFailure(TransportError):
    """An HTTP status other than 200, raised by our retry policy with what the server asked for."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


BUSY = {
    "ErrorServerBusy": None,
    "ErrorTooManyObjectsOpened": None,
    "ErrorExceededConnectionCount": None,
    "ErrorConnectionFailed": None,
    "ErrorADUnavailable": None,
    "ErrorInsufficientResources": None,
    "ErrorMailboxStoreUnavailable": None,
    "ErrorMailboxMoveInProgress": None,
    "ErrorMailboxFailover": None,
    "ErrorBatchProcessingStopped": None,
    "ErrorSubmissionQuotaExceeded": 3600.0,
}
PERMANENT = {
    "ErrorInvalidRecipients": "Exchange refuse cette adresse.",
    "ErrorMissingRecipients": "Ce courriel n'a pas de destinataire.",
    "ErrorMessageSizeExceeded": "Ce courriel est trop lourd.",
    "ErrorDataSizeLimitExceeded": "Ce courriel est trop lourd.",
    "ErrorAttachmentSizeLimitExceeded": "Une pièce jointe est trop lourde.",
    "ErrorSchemaValidation": "Exchange ne comprend pas ce courriel.",
    "ErrorInvalidPropertySet": "Exchange refuse une propriété de ce courriel.",
    "ErrorMimeContentInvalid": "Exchange ne comprend pas ce courriel.",
    "ErrorMimeContentInvalidBase64String": "Exchange ne comprend pas ce courriel.",
    "ErrorInvalidExtendedProperty": "Exchange refuse une propriété de ce courriel.",
    "ErrorInvalidExtendedPropertyValue": "Exchange refuse une propriété de ce courriel.",
}
SENDER = {
    "UnauthorizedError": "Exchange refuse le compte de service : vérifiez EXCHANGE_USER et EXCHANGE_PASSWORD.",
    "ErrorSendAsDenied": "Le compte de service n'a pas le droit « Envoyer en tant que » pour cet expéditeur.",
    "ErrorAccessDenied": "Le compte de service n'a pas accès à la boîte de cet expéditeur.",
    "ErrorImpersonateUserDenied": "Le compte de service n'a pas le droit d'emprunter l'identité de cet expéditeur.",
    "ErrorImpersonationDenied": "Le compte de service n'a pas le droit d'emprunter l'identité de cet expéditeur.",
    "ErrorNonExistentMailbox": "La boîte de cet expéditeur n'existe pas sur ce serveur.",
    "ErrorQuotaExceeded": "La boîte de cet expéditeur est pleine.",
    "ErrorPasswordExpired": "Le mot de passe du compte de service est expiré.",
    "ErrorPasswordChangeRequired": "Le mot de passe du compte de service doit être changé.",
    "ErrorAccountDisabled": "Le compte de service est désactivé.",
}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        for argument in error.args:  # urllib3 keeps its cause in its arguments
            if isinstance(argument, BaseException):
                yield from _chain(argument)
        reason = getattr(error, "reason", None)
        if isinstance(reason, BaseException):
            yield from _chain(reason)
        error = error.__cause__ or error.__context__


def classify(error: BaseException) -> Outcome:
    """The verdict for one exception. The reason never quotes the exception: it may hold a whole answer."""
    name = type(error).__name__
    chain = list(_chain(error))
    if any(isinstance(e, requests.ConnectTimeout | requests.exceptions.SSLError | NewConnectionError) for e in chain):
        return Outcome(Verdict.RETRY, name, "Exchange est injoignable : la connexion n'a pas pu s'établir.", wide=True)
    http = next((e for e in chain if isinstance(e, HttpFailure)), None)
    if http:
        return _http(http)
    if any(isinstance(e, requests.RequestException | ConnectionError | TimeoutError) for e in chain):
        return Outcome(Verdict.AMBIGUOUS, name, "La connexion à Exchange s'est coupée pendant l'échange.")
    if name in BUSY:
        wait = BUSY[name]
        back_off = getattr(error, "back_off", None)
        if wait is None and back_off and name == "ErrorServerBusy":
            wait = float(back_off)
        return Outcome(Verdict.RETRY, name, "Exchange est occupé et demande d'attendre.", wait, wide=True)
    if name in PERMANENT:
        return Outcome(Verdict.PERMANENT, name, PERMANENT[name])
    if name in SENDER or name.startswith("ErrorPassword"):
        return Outcome(Verdict.SENDER, name, SENDER.get(name, SENDER["ErrorPasswordExpired"]))
    if name == "ErrorItemNotFound":
        return Outcome(Verdict.AMBIGUOUS, name, "Exchange n'a plus ce brouillon.")
    return Outcome(Verdict.AMBIGUOUS, name, "Exchange a donné une réponse que le portail doit vérifier.")


def _http(error: HttpFailure) -> Outcome:
    code = f"HTTP {error.status}"
    if error.status in {401, 403}:
        return Outcome(Verdict.SENDER, code, SENDER["UnauthorizedError"])
    if error.status == 413:
        return Outcome(Verdict.PERMANENT, code, "Ce courriel est trop lourd.")
    reason = f"Le serveur d'Exchange a répondu {error.status} : il faut lui demander ce qu'il a fait."
    return Outcome(Verdict.AMBIGUOUS, code, reason, error.retry_after, wide=True)
