"""What stands before a mail of the corpus arrives, and the mails that answer one of ours, as programs quote it."""

from dataclasses import dataclass, field

from support.models import Ticket
from tests.support.corpus.making import mail

BOX = "ec000247@adm.cfwb.be"


@dataclass
class Stage:
    """What stands before a mail arrives.

    Camille (camille@exemple.test) has one live ticket at ETNIC about BOX, and was answered by mail (`answered`).
    Priminfo has a breakdown ticket (`broken`) that it got by mail (`for_team`). Two live tickets are Sacha's. BOX has
    a password in force, which mail 2 (`mail_2`) announced.
    """

    ticket: Ticket
    broken: Ticket
    answered: str  # Message-IDs
    for_team: str
    mail_2: str
    mail_2_key: str
    password: str = field(repr=False, default="")

    def token(self, ticket: Ticket | None = None) -> str:
        return f"[{(ticket or self.ticket).reference}]"


SAID = "Merci, mais l’écran reste gris."


def outlook(stage: Stage) -> bytes:
    text = (
        f"{SAID}\n\nCamille Fictive\n\nDe : Support ETNIC <support@etnic.be>\nEnvoyé : jeudi 14 novembre 2024 09:12\n"
        f"À : Camille Fictive <camille@exemple.test>\nObjet : Réponse à votre demande {stage.token()}\n\n"
        "Bonjour, redémarrez Outlook.\n"
    )
    html = (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal{margin:0}</style></head>'
        f'<body><p class="MsoNormal">{SAID}<o:p></o:p></p><div style="border-top:solid #E1E1E1 1.0pt"><p><b>De :</b> '
        "Support ETNIC &lt;support@etnic.be&gt;<br><b>Envoyé :</b> jeudi 14 novembre 2024 09:12<br><b>À :</b> Camille"
        "<br><b>Objet :</b> Réponse</p></div><p>Bonjour, redémarrez Outlook.</p></body></html>"
    )
    return mail(text=text, html=html, answers=stage.answered)


def gmail(stage: Stage) -> bytes:
    text = (
        f"{SAID}\n\nLe jeu. 14 nov. 2024 à 09:12, Support ETNIC <support@etnic.be> a\nécrit :\n\n"
        "> Bonjour,\n> redémarrez Outlook.\n"
    )
    html = (
        f'<div dir="ltr">{SAID}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">Le jeu. 14 nov. '
        '2024 à 09:12, Support ETNIC &lt;support@etnic.be&gt; a écrit :<br></div><blockquote class="gmail_quote">'
        "Bonjour,<br>redémarrez Outlook.</blockquote></div>"
    )
    return mail(text=text, html=html, answers=stage.answered)


def thunderbird(stage: Stage) -> bytes:
    text = f"{SAID}\n\nLe 14/11/2024 à 09:12, Support ETNIC a écrit :\n> Bonjour,\n> redémarrez Outlook.\n"
    return mail(text=text, answers=stage.answered)


def thunderbird_inside(stage: Stage) -> bytes:
    """Answers between the lines: which words are whose cannot be told, so nothing is cut."""
    text = (
        "Le 14/11/2024 à 09:12, Support ETNIC a écrit :\n> Avez-vous redémarré ?\n\nOui, deux fois.\n\n"
        "> Voyez-vous un message ?\n\nNon, aucun.\n"
    )
    return mail(text=text, answers=stage.answered)


def owa(stage: Stage) -> bytes:
    html = (
        f"<div>{SAID}</div><div id='appendonsend'></div><hr tabindex='-1'><div id='divRplyFwdMsg'><b>De :</b> Support "
        "ETNIC &lt;support@etnic.be&gt;<br><b>Envoyé :</b> jeudi 14 novembre 2024 09:12<br><b>À :</b> Camille<br>"
        "<b>Objet :</b> Réponse</div><div>Bonjour, redémarrez Outlook.</div>"
    )
    return mail(text=None, html=html, answers=stage.answered)


def iphone(stage: Stage) -> bytes:
    text = (
        f"{SAID}\n\nEnvoyé de mon iPhone\n\n> Le 14 nov. 2024 à 09:12, ETNIC <support@etnic.be> a écrit :\n> \n"
        "> Bonjour, redémarrez Outlook.\n"
    )
    return mail(text=text, answers=stage.answered)


def quoting_mail_2(stage: Stage) -> bytes:
    quoted = stage.password.replace("-", "-\n> ", 1)
    text = (
        "Il ne marche pas !\n\nLe 7 nov. 2024 à 09:12, ETNIC <support@etnic.be> a écrit :\n\n> Voici le nouveau mot "
        f"de passe de la boîte {BOX} :\n>\n> {quoted}\n>\n> CONSERVEZ CE MAIL\n"
    )
    html = (
        f"<p>Il ne marche pas !</p><blockquote><p>Voici le nouveau mot de passe de la boîte {BOX} :</p><p><code>"
        f"{stage.password[:7]}<wbr>{stage.password[7:]}</code></p></blockquote>"
    )
    return mail(
        author=f"Direction <{BOX}>", subject=f"RE: {stage.password}", text=text, html=html, answers=stage.mail_2
    )
