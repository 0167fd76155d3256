"""No known secret enters by a reply: what mails 2 and 4 carried, and what is called a password (SEC-F4, SEC-E11).

Everything that is kept of a mail goes through here first: subject, names, text, HTML.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from accounts import credentials
from accounts.models import Credential, Mailbox
from bma_portal import vault
from bma_portal.identity import holds_national_number
from bma_portal.mail.compose import MASK
from bma_portal.secret import Secret, leaving_no_trace
from support.incoming.bodies import text_of_html
from support.incoming.cleaning import cleaned
from support.incoming.parsing import Incoming

log = logging.getLogger(__name__)

MOST_MAILBOXES = 30  # named in one mail, whose secrets are looked for
NATIONAL = "[numéro de registre national retiré]"
_BOX = re.compile(r"(?:ec|po)[0-9]{6}@adm\.cfwb\.be", re.IGNORECASE)

# What a mail program may put between the signs of a password: a line break and its `>`, invisible signs, tags.
_BETWEEN = r"(?:[\s>\u00ad\u200b-\u200d\u2060\ufeff]|<[^<>]{0,300}>|&(?:nbsp|shy|#8203|#173);){0,6}"
_DASH = rf"{_BETWEEN}[-\u2010-\u2015\u2212]{_BETWEEN}"
_SIGN = f"[{re.escape(credentials.ALPHABET)}]"
_SHAPE = re.compile(
    rf"(?<![A-Za-z0-9]){_DASH.join([f'({_SIGN}{{{credentials.GROUP}}})'] * credentials.GROUPS)}(?![A-Za-z0-9])"
)
# « Mot de passe : … », « mon mdp est … »: one word that looks like a secret, and not « oublié ».
_CALLED = re.compile(
    rf"((?:mots?\s+de\s+passe|\bmdp\b|\bpass(?:word|wd)?\b|\bwachtwoord\b)[^\n:=<>]{{0,60}}?(?:[:=]|\best\b|\bis\b)"
    rf"{_BETWEEN}[«\"“'’]?\s?)([^\s<>«»\"“”&]{{6,64}})",
    re.IGNORECASE,
)
# Links that are as good as a password: to pick one up, to stop a request, to give one's opinion.
_LINK = re.compile(r"(/(?:mot-de-passe/(?:retrait|arret)|demandes/avis)/)[^\s<>\"'&)\]]{8,600}")
_ELEVEN = re.compile(r"(?<!\d)(?:\d[\s.,:;/_\\|()\-\u2010-\u2015]{0,3}){10}\d(?!\d)")


@dataclass(frozen=True)
class Mask:
    """What must not be kept, whatever the mail."""

    secrets: Sequence[Secret] = field(default=(), repr=False)

    def text(self, text: str) -> str:
        """The same text, dots in the place of each secret."""
        if not text:
            return text
        for secret in self.secrets:
            text = _wherever(secret.reveal()).sub(MASK, text)
        text = _SHAPE.sub(lambda found: MASK if _is_ours("".join(found.groups())) else found[0], text)
        text = _CALLED.sub(lambda found: found[1] + MASK if _is_secret(found[2]) else found[0], text)
        text = _LINK.sub(rf"\1{MASK}", text)
        if holds_national_number(text):
            text = _ELEVEN.sub(lambda found: NATIONAL if holds_national_number(found[0]) else found[0], text)
        return text

    def html(self, html: str, *, names: dict[str, str] | None = None) -> str:
        """Clean HTML without them, or nothing if what it shows still holds one: then the text is what remains."""
        masked = cleaned(self.text(html), names=names)  # a tag that stood within a password went with it
        shown = text_of_html(masked)
        return masked if self.text(shown) == shown else ""

    def mail(self, mail: Incoming) -> Incoming:
        """The mail as it may be kept and shown."""
        files = tuple(replace(file, name=self.text(file.name)) for file in mail.files)
        return replace(
            mail,
            subject=self.text(mail.subject)[:250],
            from_name=self.text(mail.from_name)[:120],
            text=self.text(mail.text),
            own=self.text(mail.own),
            quoted=self.text(mail.quoted),
            html=self.html(mail.html, names={file.cid: file.name for file in files if file.cid}),
            files=files,
            lost=tuple(self.text(name) for name in mail.lost),
        )


def mailboxes_named(mail: Incoming) -> list[str]:
    """Addresses of mailboxes that stand anywhere in a mail: it may quote what was written to them."""
    heads = " ".join((mail.from_address, *mail.to, *mail.cc, mail.subject))
    return mailboxes_in(f"{heads}\n{mail.text}\n{mail.html}")


def mailboxes_in(text: str) -> list[str]:
    """Addresses of mailboxes, as they stand there; whether they exist is another matter."""
    found = _BOX.findall(text)
    return list(dict.fromkeys(address.lower() for address in found))[:MOST_MAILBOXES]


def mask_for(addresses: Iterable[str], *, also: Iterable[Mailbox] = ()) -> Mask:
    """With each password that the portal still knows of these mailboxes. Raises VaultError: then nothing is kept."""
    wanted = set(addresses)
    rows = Credential.objects.filter(destroyed_at=None)
    rows = rows.filter(mailbox__address__in=wanted) | rows.filter(mailbox__in=[box.pk for box in also])
    return Mask([secret for row in rows.distinct() if (secret := _opened(row)) is not None])


def _opened(row: Credential) -> Secret | None:
    try:
        with leaving_no_trace():
            return credentials.reveal(row)
    except vault.VaultError as error:
        vault.verify(after=error)  # raises if it is the key that is wrong or gone, and not this one row
        log.error("secret altéré", extra={"id": row.pk, "code": "VaultError"})
        return None


def _wherever(text: str) -> re.Pattern[str]:
    """This password, even folded, or with its dashes made longer by a mail program."""
    groups = (_BETWEEN.join(map(re.escape, group)) for group in text.split("-"))
    return re.compile(_DASH.join(groups))


def _is_ours(signs: str) -> bool:
    """As `credentials.new_password` makes them: a lower case, an upper case and a digit at least."""
    return any(map(str.islower, signs)) and any(map(str.isupper, signs)) and any(map(str.isdigit, signs))


def _is_secret(word: str) -> bool:
    word = word.rstrip(".,;:!?)")
    letters, others = any(map(str.isalpha, word)), any(not sign.isalpha() and sign not in "’'-" for sign in word)
    inner_capitals = any(map(str.isupper, word[1:])) and any(map(str.islower, word))
    is_link = word.lower().startswith(("http", "www.", "mailto")) or ("@" in word and "." in word)
    return len(word) >= 6 and letters and (others or inner_capitals) and not is_link and MASK not in word
