"""What the persons of the holders' walk do, each in a browser of their own, and what each of them was shown."""

import io
import os
import re
import struct
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from PIL import Image

from demo import one_time_code
from tests.walks.browsers import Browser, Page
from tests.walks.holders import LINK, Holders

GROUP = re.compile(r'<span class="password-group">([^<]+)</span>')
SPOKEN = re.compile(r'<p class="spoken-code">(.*?)</p>', re.DOTALL)
SIX = re.compile(r"(?<!\d)\d{6}(?!\d)")
HOTP = "allauth.mfa.totp.internal.auth.hotp_value"
REQUESTS = "/admin/support/passwordreset/"
LAST_NAME, PHONE = "Inventéequx", "0470 918 273"


@dataclass
class Proof:
    """An invented card; `canary` is written in its points, its text and its EXIF."""

    canary: str
    original: bytes
    remade: list[bytes] = field(default_factory=list)  # as its verifier saw it

    def samples(self) -> list[bytes]:
        """64 bytes of the image itself, of what was sent and of what was made of it."""
        assert self.remade
        at = self.original.index(b"IDAT")
        return [sample(self.original[at:]), *(sample(page[page.index(b"\xff\xda") :]) for page in self.remade)]


def sample(data: bytes) -> bytes:
    """Far enough in to be of this image alone, and whole for a search by lines."""
    return next(piece for n in range(700, 70_000, 64) if not {0, 10} & set(piece := data[n : n + 64]))


def card(canary: str) -> Proof:
    """A PNG made by hand, its rows neither filtered nor compressed, so that what is written there can be found."""
    word, width, height = canary.encode(), 400, 260
    rows = [b"\0" + word + os.urandom(width * 3 - len(word)) for _ in range(height)]
    exif = Image.Exif()
    exif[0x010E] = exif[0x8298] = canary
    parts = {
        b"IHDR": struct.pack("!IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"tEXt": b"Comment\0" + word,
        b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0"),
        b"IDAT": zlib.compress(b"".join(rows), 0),
        b"IEND": b"",
    }
    chunks = [struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
              for kind, data in parts.items()]  # fmt: skip
    original = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    with Image.open(io.BytesIO(original)) as image:
        assert image.getexif()[0x010E] == image.text["Comment"] == canary
    assert original.count(word) > height
    return Proof(canary, original)


# MODE


def password_of(page: Page) -> str:
    return "".join(GROUP.findall(page.html))


def mode(stage: Holders, address: str) -> str:
    """The head of a school gets the password back; the first one is lost in an error. The one shown."""
    browser = stage.browser()
    browser.sign_in("Dominique Fictive", "/ma-boite/", fault="accounts.cerbere._identity", status=500)
    page = browser.sign_in("Dominique Fictive", "/mot-de-passe/mode/")
    number, show = address.partition("@")[0], "Afficher mon nouveau mot de passe"

    def ask() -> Page:
        check = browser.press(browser.open(f"/mot-de-passe/mode/?numero={number}"), "Continuer")
        path = browser.press(check, "Remplacer le mot de passe", compris="on").path
        # The sweep may have taken it first: then the page says to come back.
        stage.wait(lambda: show in browser.open(path).words, "mot de passe prêt")
        return browser.open(path)

    assert number in page.html
    browser.press(ask(), show, fault="bma_portal.templatetags.passwords.word", status=500)
    state = ask()
    browser.press(state, show, fault="bma_portal.vault.Secret", status=500)
    page = browser.press(browser.open(state.path), show, reveals=True)
    assert "n’existe plus ici" in browser.press(state, show).words
    browser.open(state.path)
    return password_of(page)


def stop(stage: Holders, address: str) -> None:
    """Somebody who was told stops the last request of that mailbox."""
    token = LINK.search(stage.mail(address, "/mot-de-passe/arret/"))[2]  # type: ignore[index]
    browser, path = stage.browser(), f"/mot-de-passe/arret/{token}/"
    browser.ask("HEAD", path)
    page = browser.open(path)
    browser.press(page, "Arrêter la demande", fault="support.resets.stopping.end", status=500)
    assert "Arrêter la demande" not in browser.press(page, "Arrêter la demande").html
    browser.open(path + "nulle-part/", status=404)
    browser.open(path)


# Hors MODE


@dataclass
class Asked:
    """A request by the form."""

    pk: int
    email: str
    contact_code: str
    proof: Proof


def hors_mode(stage: Holders, address: str, name: str, *, faults: tuple[str, ...] = ()) -> Asked:
    """The form and the code, with mistakes: no image, a wrong code. `faults` happen while the file is in hand."""
    browser, email, proof = stage.browser(), f"{name.lower()}@exemple.test", card(f"CANARI-{os.urandom(9).hex()}")
    page = browser.open(f"/mot-de-passe/hors-mode/?numero={address.partition('@')[0]}")
    typed = {"last_name": LAST_NAME, "first_name": name, "email": email, "phone": PHONE, "consequences": "on"}
    time.sleep(3.2)  # nobody fills it faster
    false = {"proof": ("carte.png", io.BytesIO(b"MZ" + proof.canary.encode() * 9), "image/png")}
    page = browser.press(page, "Vérifier mes réponses", files=false, **typed)
    assert "n’est pas celui que son nom annonce" in page.words
    for fault in (*faults, ""):
        files = {"proof": ("carte.png", io.BytesIO(proof.original), "image/png")}
        status = 500 if fault else 200
        filled = browser.press(page, "Vérifier mes réponses", files=files, fault=fault, status=status, **typed)
    page = browser.press(filled, "Confirmer et recevoir le code")
    code = SIX.search(stage.mail(email, "Voici le code").partition("Voici le code")[2])[0]  # type: ignore[index]
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    page = browser.press(page, "Confirmer mon adresse", code=wrong)
    browser.press(page, "Confirmer mon adresse", code=code, fault="support.tokens.contact_code", status=500)
    page = browser.press(page, "Confirmer mon adresse", code=code)
    assert page.path.endswith("/recue/")
    query = "SELECT id FROM support_passwordreset WHERE email = %s AND status = 'received'"
    stage.wait(lambda: bool(stage.ask(query, email)), f"demande de {name} reçue")
    return Asked(stage.ask(query, email)[0][0], email, code, proof)


def take(verifier: Browser, asked: Asked) -> None:
    """Take charge, and look at the proof."""
    sheet = f"{REQUESTS}{asked.pk}/change/"
    verifier.open(sheet)
    verifier.press(verifier.open(f"{REQUESTS}{asked.pk}/acte/prendre/"), "Prendre en charge")
    verifier.open(f"{REQUESTS}{asked.pk}/preuve/")
    asked.proof.remade.append(verifier.open(f"{REQUESTS}{asked.pk}/preuve/1/", reveals=True).body)
    verifier.open(f"{REQUESTS}{asked.pk}/preuve/1/", fault="support.charge.view_page", status=500)


def accept(verifier: Browser, asked: Asked) -> None:
    """No code is told to whoever verifies: the page is one of those that must hold no secret."""
    page = verifier.press(verifier.open(f"{REQUESTS}{asked.pk}/acte/accepter/"), "Accepter", called="on")
    assert not SPOKEN.search(page.html)


def refuse(verifier: Browser, asked: Asked) -> None:
    deed = verifier.open(f"{REQUESTS}{asked.pk}/acte/refuser/")
    verifier.press(deed, "Refuser", reason="illisible")
    verifier.open(f"{REQUESTS}{asked.pk}/preuve/1/", status=404)


def execute(stage: Holders, asked: Asked) -> tuple[str, str]:
    """By another person; the end of the address that is mailed, the code to say on the phone."""
    browser = stage.browser()
    browser.sign_in("Maé Inventé", REQUESTS)
    deed = browser.open(f"{REQUESTS}{asked.pk}/acte/executer/")
    browser.press(deed, "Exécuter", fault="support.tokens.spoken_digest", status=500)
    page = browser.press(deed, "Exécuter", reveals=True)
    browser.press(deed, "Exécuter")
    code = "".join(re.findall(r"<span>(\w+)</span>", SPOKEN.search(page.html)[1]))  # type: ignore[index]
    return LINK.search(stage.mail(asked.email, "/mot-de-passe/retrait/"))[2], code  # type: ignore[index]


def pick_up(stage: Holders, token: str, code: str) -> str:
    """The password, with the link and the code said on the phone; once."""
    browser, path, button = stage.browser(), f"/mot-de-passe/retrait/{token}/", "Afficher le mot de passe"
    browser.ask("HEAD", path)
    page = browser.open(path)
    browser.open(f"/connexion/?next={path}", reveals=True)  # gives back what was asked, and is in the log of access
    browser.press(page, button, code="BBBB2222")
    said = f"{code[:4]} {code[4:]}".lower()
    browser.press(page, button, code=said, fault="bma_portal.vault.Secret", status=500)
    shown = browser.press(page, button, code=said, reveals=True)
    browser.press(page, button, code=said, reveals=True)  # the field gives back what was typed in it
    browser.open(path)
    return password_of(shown)


# The account of last resort


@dataclass
class Glass:
    password: str
    key: str
    recovery_codes: list[str]
    browser: Browser


def break_glass(stage: Holders, password: str) -> Glass:
    """The second factor is enrolled; then it serves, and once a recovery code in its place."""

    def by_password(browser: Browser, **how) -> Page:
        page = browser.open("/connexion/secours/")
        return browser.press(page, "Continuer", login="secours", password=password, **how)

    first, second, third = stage.browser(), stage.browser(), stage.browser()
    by_password(first, fault="accounts.auth.PortalBackend.authenticate", status=500)
    page = by_password(first, reveals=True)
    key = re.search(r'<span class="masked">([A-Z2-7 ]+)</span>', page.html)[1].replace(" ", "")  # type: ignore[index]
    page = first.press(page, "Enregistrer", code="000000", reveals=True)
    first.press(page, "Enregistrer", code=code_of(key), fault=HOTP, status=500)
    page = first.press(page, "Enregistrer", code=code_of(key), reveals=True)
    codes = re.findall(r'<li class="masked">(\w+)</li>', page.html)
    first.open(page.path)

    page = second.press(by_password(second), "Entrer", code="000000")
    second.press(page, "Entrer", code=code_of(key, 30), fault=HOTP, status=500)
    assert second.press(page, "Entrer", code=code_of(key, 30)).path == "/admin/"

    page = by_password(third)
    place = "allauth.mfa.recovery_codes.internal.auth.compare_user_code"
    third.press(page, "Entrer", code=codes[0], fault=place, status=500)
    assert third.press(page, "Entrer", code=codes[0]).path == "/admin/"
    return Glass(password, key, codes, second)


def code_of(key: str, later: int = 0) -> str:
    return one_time_code.at(key, time.time() + later)


# Everybody else


OWN = ("/ma-boite/", "/mode/", "/connexion/sessions/", "/mot-de-passe/demande/")
AUDIT = "/admin/bma_portal/auditentry/"
FIRST = (f"{REQUESTS}?etat=toutes", "/admin/mail/outgoingmail/", "/admin/accounts/mailbox/", AUDIT, "/admin/")


def look_around(browsers: dict[str, Browser], *, most: int) -> dict[str, set[str]]:
    """What each finds by the links of their pages."""

    def look(name: str) -> set[str]:
        starts, within = (OWN[:3], OWN) if name in {"Dominique Fictive", "Noa Fictive"} else (FIRST, ("/admin/",))
        return browsers[name].crawl(starts, within=within, most=most)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(browsers, pool.map(look, browsers), strict=True))
