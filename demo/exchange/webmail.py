"""The mailboxes in a browser: sign in, list, read, sign out; the log for visitors.

Works without scripts, and allows none: the pages' CSP has no `script-src`, and a mail's own HTML lives in a sandboxed
frame whose answer is sandboxed by its own CSP as well, so that it is sealed even when opened by itself.
"""

import secrets
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import quote

from demo.exchange import pages
from demo.exchange.http import HTML, Reply, Request
from demo.exchange.messages import Mail
from demo.exchange.mime import as_text
from demo.exchange.pages import FACES, OLD_PASSWORD, Face
from demo.exchange.replies import answer
from demo.exchange.rights import Rights
from demo.exchange.store import HOLDER, Place, Store

STYLE = Path(__file__).with_name("style.css").read_bytes()
MAX_SESSIONS = 1000

COMMON = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
PAGE = (
    *COMMON,
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self' data:; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    ),
)
SEALED = (
    *COMMON,
    (
        "Content-Security-Policy",
        "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; frame-ancestors 'self'",
    ),
)

WRONG = "Adresse ou mot de passe incorrect. Vérifiez les deux, majuscules comprises, puis réessayez."
NO_ADDRESS = "Cette adresse n’est pas celle d’une boîte administrative : « ec » ou « po », six chiffres, @adm.cfwb.be."
AN_ADDRESS = "Donnez une adresse complète, autre que celle d’une boîte administrative."


def page(text: str, status: int = HTTPStatus.OK) -> Reply:
    return Reply(status, text.encode(), HTML, PAGE)


def redirect(path: str, *more: tuple[str, str]) -> Reply:
    return Reply(HTTPStatus.SEE_OTHER, headers=(*COMMON, ("Location", path), *more))


def full_address(text: str) -> str:
    """What a person types, as an address: « EC000123 » is understood."""
    text = text.strip().lower()
    return text if "@" in text or not text else f"{text}@adm.cfwb.be"


class Webmail:
    def __init__(self, store: Store, rights: Rights):
        self.store = store
        self.rights = rights
        self.sessions: dict[tuple[str, str], str] = {}  # (face, token): address

    def answer(self, request: Request) -> Reply:
        reading = request.method in ("GET", "HEAD")
        match request.segments():
            case [] if reading:
                return page(pages.welcome())
            case ["style.css"] if reading:
                return Reply(HTTPStatus.OK, STYLE, "text/css; charset=utf-8", COMMON)
            case ["journal"] if reading:
                return page(pages.journal(self.store.log[:-101:-1], self.store.counts()))
            case [slug] if slug in FACES and reading:
                if not request.path.endswith("/"):
                    return redirect(f"/{slug}/")
                return self._mailbox(FACES[slug], request)
            case [slug, "connexion"] if slug in FACES:
                return self._sign_in(FACES[slug], request) if request.method == "POST" else redirect(f"/{slug}/")
            case [slug, "deconnexion"] if slug in FACES:
                return self._sign_out(FACES[slug], request) if request.method == "POST" else redirect(f"/{slug}/")
            case [slug, "courriel", number, "repondre"] if slug in FACES and number.isdecimal() and not reading:
                return self._answer(FACES[slug], request, int(number))
            case [slug, "courriel", number, *rest] if slug in FACES and reading and number.isdecimal():
                return self._message(FACES[slug], request, int(number), rest)
        return page(pages.lost(), HTTPStatus.NOT_FOUND)

    # Sessions

    def _token(self, face: Face, request: Request) -> str:
        try:
            morsel = SimpleCookie(request.headers.get("cookie", "")).get(face.cookie)
        except CookieError:
            return ""
        return morsel.value if morsel else ""

    def _signed_in(self, face: Face, request: Request) -> str | None:
        address = self.sessions.get((face.slug, self._token(face, request)))
        if address and face.moves and not self.store.moved(address):
            return None  # the demonstration began anew meanwhile
        return address

    def _sign_in(self, face: Face, request: Request) -> Reply:
        form = request.form()
        typed, password = form.get("adresse", ""), form.get("mot_de_passe", "")
        address = typed.strip().lower() if face.elsewhere else full_address(typed)
        if bool(HOLDER.fullmatch(address)) == face.elsewhere or "@" not in address:
            problem = AN_ADDRESS if face.elsewhere else NO_ADDRESS
            return page(pages.sign_in(face, address=typed, problem=problem), HTTPStatus.UNPROCESSABLE_ENTITY)
        if not face.moves:
            right = secrets.compare_digest(password.encode(), OLD_PASSWORD.encode())
        else:
            # Before mail 2 there is no new password to be wrong about: say that the time has not come.
            early = not self.store.moved(address) and address not in self.store.passwords
            right = early or self.store.verify(address, password)
        if not right:
            return page(pages.sign_in(face, address=typed, problem=WRONG), HTTPStatus.UNPROCESSABLE_ENTITY)
        if face.moves and not self.store.moved(address):
            return page(pages.not_yet(face, address, self.store.moves.get(address)))
        token = secrets.token_urlsafe(32)
        while len(self.sessions) >= MAX_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        self.sessions[face.slug, token] = address
        cookie = f"{face.cookie}={token}; Path=/{face.slug}/; HttpOnly; SameSite=Lax"
        return redirect(f"/{face.slug}/", ("Set-Cookie", cookie))

    def _sign_out(self, face: Face, request: Request) -> Reply:
        self.sessions.pop((face.slug, self._token(face, request)), None)
        cookie = f"{face.cookie}=; Path=/{face.slug}/; HttpOnly; SameSite=Lax; Max-Age=0"
        return redirect(f"/{face.slug}/", ("Set-Cookie", cookie))

    # Mails

    def _mailbox(self, face: Face, request: Request) -> Reply:
        address = self._signed_in(face, request)
        if address is None:
            return page(pages.sign_in(face))
        moved_at = self.store.moves[address] if self.store.moved(address) else None
        return page(pages.mailbox(face, address, self._places(face, address), moved_at))

    def _places(self, face: Face, address: str) -> list[Place]:
        return self.store.received(address, old_only=face.old)

    def _place(self, face: Face, address: str, number: int) -> Place | None:
        return next((place for place in self._places(face, address) if place.seq == number), None)

    def _answerable(self, mail: Mail) -> bool:
        """Whether whoever signed it has a mailbox here."""
        return (mail.author.email if mail.author else mail.sent_by).lower() in self.rights.senders

    def _answer(self, face: Face, request: Request, number: int) -> Reply:
        address = self._signed_in(face, request)
        if address is None:
            return redirect(f"/{face.slug}/")
        place = self._place(face, address, number)
        if place is None or not self._answerable(place.mail):
            return page(pages.lost(), HTTPStatus.NOT_FOUND)
        text = request.form().get("texte", "")
        mail = self.store.filled(place.mail)
        if not text.strip():
            form = pages.answer_form(face, place, problem="Écrivez votre réponse.")
            plain = as_text(mail) if mail.body_type != "HTML" else None
            return page(pages.message(face, address, place, mail, plain, form), HTTPStatus.UNPROCESSABLE_ENTITY)
        answer(self.store, address, mail, text)
        return redirect(f"/{face.slug}/courriel/{number}?envoye=1")

    def _message(self, face: Face, request: Request, number: int, rest: list[str]) -> Reply:
        address = self._signed_in(face, request)
        if address is None:
            return redirect(f"/{face.slug}/")
        place = self._place(face, address, number)
        if place is None:
            return page(pages.lost(), HTTPStatus.NOT_FOUND)
        mail = self.store.filled(place.mail)
        match rest:
            case []:
                arguments = request.arguments()
                plain = mail.body_type != "HTML" or "texte" in arguments
                form = pages.answer_form(face, place, sent="envoye" in arguments) if self._answerable(mail) else ""
                return page(pages.message(face, address, place, mail, as_text(mail) if plain else None, form))
            case ["corps"] if mail.body_type == "HTML":
                return Reply(HTTPStatus.OK, pages.sealed_body(mail).encode(), HTML, SEALED)
            case ["piece", rank] if rank.isdecimal() and int(rank) < len(mail.attachments):
                piece = mail.attachments[int(rank)]
                disposition = f"attachment; filename*=UTF-8''{quote(piece.name, safe='')}"
                headers = (*SEALED, ("Content-Disposition", disposition))
                return Reply(HTTPStatus.OK, piece.content, "application/octet-stream", headers)
        return page(pages.lost(), HTTPStatus.NOT_FOUND)
