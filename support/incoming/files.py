"""The files of a mail under the rules of uploads: remade, or refused with a line that says so (F11)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from support import attachments
from support.incoming.cleaning import named_picture
from support.incoming.parsing import Attached, Incoming
from support.proofs import Prepared
from support.reading import ProofRefused

MOST = 8  # remade for one mail
EMPTY = "(Ce message ne contient pas de texte.)"


class ReaderBusy(Exception):
    """Too many documents are being read: this mail waits for a moment, it is not refused."""


@dataclass(frozen=True)
class Ready:
    """Files that may be kept, each with its label, and what is to be said of the others."""

    files: Sequence[tuple[str, Prepared]] = field(default=(), repr=False)
    refused: Sequence[str] = ()
    left_out: Sequence[str] = ()  # logos of signatures, of which nothing is said

    def text(self, mail: Incoming) -> str:
        """What the author wrote."""
        return mail.own or mail.text or EMPTY

    def text_with_refusals(self, mail: Incoming) -> str:
        """The same, then a line for each file that could not be taken: for whom it is their own message."""
        text = self.text(mail)
        return "\n\n".join([text, "\n".join(self.refused)]) if self.refused else text

    def html(self, mail: Incoming) -> str:
        """Its HTML, which names the pictures within it that were kept."""
        html = mail.html
        for name in self.left_out:
            html = html.replace(named_picture(name), "")
        return html


def prepared(mail: Incoming) -> Ready:
    """Raises ReaderBusy."""
    files: list[tuple[str, Prepared]] = []
    left_out: list[str] = []
    refused = [f"Pièce jointe refusée : {name} – elle n’a pas pu être lue." for name in mail.lost]
    for file in mail.files:
        if len(files) >= MOST:
            refused.append(f"Pièce jointe refusée : {file.name} – huit fichiers au plus.")
            continue
        try:
            files.append((file.name[:120], attachments.prepare_bytes(_named(file), file.data)))
        except ProofRefused as refusal:
            if refusal.code == "busy":
                raise ReaderBusy from None
            if file.inline and refusal.code in {"small", "blank", "type"}:  # a logo of a signature, a line
                left_out.append(file.name)
            else:
                refused.append(f"Pièce jointe refusée : {file.name} – {refusal}")
    return Ready(files, refused, left_out)


def _named(file: Attached) -> str:
    """With the extension that its first bytes tell, where a picture within the text has none."""
    if "." in file.name or not file.inline:
        return file.name
    return file.name + (".png" if file.data.startswith(b"\x89PNG") else ".jpg")
