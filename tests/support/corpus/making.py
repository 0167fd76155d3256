"""Mails as programs write them, made in code. Every person and address is invented."""

import base64
import io
import struct
from email.message import EmailMessage
from email.utils import make_msgid

from PIL import Image, ImageDraw

CAMILLE = "Camille Fictive <camille@exemple.test>"


def mail(
    author: str = CAMILLE,
    subject: str = "RE: Réponse à votre demande",
    text: str | None = "Bonjour, cela ne marche toujours pas.",
    html: str | None = None,
    *,
    answers: str = "",
    to: str = "support@etnic.be",
    message_id: str = "",
    files: list[tuple[str, bytes, str]] | None = None,
    inline: list[tuple[str, bytes]] | None = None,
    **headers: str,
) -> bytes:
    """One mail. `headers`: others, their `_` being `-`; `answers`: the Message-ID that it answers."""
    message = EmailMessage()
    message["From"] = author
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Thu, 14 Nov 2024 10:00:00 +0100"
    message["Message-ID"] = message_id or make_msgid(domain="exemple.test")
    if answers:
        message["In-Reply-To"] = answers
        message["References"] = answers
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    if text is not None:
        message.set_content(text)
        if html is not None:
            message.add_alternative(html, subtype="html")
    elif html is not None:
        message.set_content(html, subtype="html")
    if inline:
        part = message.get_payload()[-1] if message.is_multipart() else message
        for cid, data in inline:
            part.add_related(data, "image", "png", cid=f"<{cid}>", filename=f"{cid.partition('@')[0]}.png")
    for name, data, kind in files or ():
        main, _, sub = kind.partition("/")
        message.add_attachment(data, maintype=main, subtype=sub, filename=name)
    return message.as_bytes()


def raw(head: str, body: bytes = b"", *, author: str = CAMILLE) -> bytes:
    """Headers as they are written here, to the letter."""
    return f"From: {author}\nMessage-ID: {make_msgid(domain='exemple.test')}\n{head}".encode() + b"\n\n" + body


def png(width: int = 400, height: int = 300) -> bytes:
    picture = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).line((0, 0, width, height), fill="black", width=8)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def tnef(text: str, name: str, data: bytes) -> bytes:
    """A `winmail.dat`: the text, and one attachment."""

    def attribute(level: int, number: int, kind: int, content: bytes) -> bytes:
        head = struct.pack("<BHHI", level, number, kind, len(content))
        return head + content + struct.pack("<H", sum(content) & 0xFFFF)

    return (
        struct.pack("<IH", 0x223E9F78, 1)
        + attribute(1, 0x9006, 8, struct.pack("<I", 0x10000))
        + attribute(1, 0x9007, 6, struct.pack("<II", 1252, 0))
        + attribute(1, 0x800C, 2, text.encode("cp1252"))
        + attribute(2, 0x9002, 6, struct.pack("<HIHHIH", 1, 0, 32, 32, 0, 0)[:14])
        + attribute(2, 0x8010, 1, name.encode("cp1252") + b"\0")
        + attribute(2, 0x800F, 6, data)
        + attribute(1, 0x8006, 3, bytes(14))
    )


def invitation(method: str = "REQUEST") -> bytes:
    return (
        f"BEGIN:VCALENDAR\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:essai@exemple.test\r\nSUMMARY:Point sur la boîte"
        "\r\nDTSTART:20241120T090000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    ).encode()


def with_calendar(method: str, subject: str, text: str) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = CAMILLE, subject
    message["Message-ID"] = make_msgid(domain="exemple.test")
    message.set_content(text)
    message.add_alternative(invitation(method), maintype="text", subtype="calendar", params={"method": method})
    return message.as_bytes()


def non_delivery(*, key: str, recipient: str, action: str = "failed", status: str = "5.1.10", said: str = "") -> bytes:
    """An NDR as Exchange in French writes it, with the head of our mail."""
    said = said or f"Échec de la remise à ces destinataires ou groupes : {recipient}\nL’adresse n’a pas été trouvée."
    return (
        'Content-Type: multipart/report; report-type=delivery-status; boundary="ndr"\n'
        "From: postmaster@exemple.test\nTo: support@etnic.be\nMessage-ID: <ndr@exemple.test>\n"
        "Subject: =?utf-8?q?Non_remis_=3A_votre_mot_de_passe?=\nAuto-Submitted: auto-replied\n\n"
        f"--ndr\nContent-Type: text/plain; charset=utf-8\n\n{said}\n"
        "--ndr\nContent-Type: message/delivery-status\n\nReporting-MTA: dns;exchange.exemple.test\n\n"
        f"Final-Recipient: rfc822;{recipient}\nAction: {action}\nStatus: {status}\n\n"
        f"--ndr\nContent-Type: message/rfc822\n\nFrom: support@etnic.be\nTo: {recipient}\nX-BMA-Key: {key}\n"
        f"Message-ID: <{key}@portail.bma.cfwb.be>\nSubject: essai\n\nle texte\n--ndr--\n"
    ).encode()


def forwarded(depth: int) -> bytes:
    """A mail in a mail in a mail…, the innermost with the screen message."""
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "Collègue Fictif <collegue@exemple.test>", "Écran bloqué"
    inner.set_content("Le message à l’écran : « boîte pleine ».")
    for level in range(depth):
        outer = EmailMessage()
        outer["From"], outer["Subject"] = CAMILLE, f"TR: Écran bloqué ({level})"
        outer["Message-ID"] = make_msgid(domain="exemple.test")
        outer.set_content(f"Voici ce que j’ai reçu ({level}).")
        outer.add_attachment(inner)
        inner = outer
    return inner.as_bytes()


def heavy(megabytes: int) -> bytes:
    """So many megabytes on the wire, made on the fly."""
    line = base64.b64encode(bytes(54)) + b"\n"
    body = line * (megabytes * 1_000_000 // len(line))
    return (
        b'Content-Type: multipart/mixed; boundary="lourd"\nFrom: '
        + CAMILLE.encode()
        + b"\nSubject: Photo de l'ecran\n"
        b"Message-ID: <lourd@exemple.test>\n\n--lourd\nContent-Type: text/plain\n\nVoici la photo.\n--lourd\n"
        b"Content-Type: image/jpeg\nContent-Disposition: attachment; filename=photo.jpg\n"
        b"Content-Transfer-Encoding: base64\n\n" + body + b"--lourd--\n"
    )
