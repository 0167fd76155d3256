"""The corpus: each mail with what becomes of it. `tests/support/test_corpus.py` sends them all."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.support.corpus.clients import (
    BOX,
    SAID,
    Stage,
    gmail,
    iphone,
    outlook,
    owa,
    quoting_mail_2,
    thunderbird,
    thunderbird_inside,
)
from tests.support.corpus.making import (
    forwarded,
    heavy,
    mail,
    non_delivery,
    png,
    raw,
    tnef,
    with_calendar,
)


@dataclass(frozen=True)
class Case:
    """`ticket`: "new", "camille", "priminfo", or nothing. `text`: what the message says, to the letter where given."""

    name: str
    make: Callable[[Stage], bytes]
    verdict: str
    ticket: str = ""
    text: str | None = None
    holds: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    quoted: str = ""  # stands in what is quoted
    files: int = 0
    sender: str = "etnic"
    why: str = ""
    size: int | None = None


FLOWED = (
    "Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n"
    "Subject: Deux lignes\nIn-Reply-To: {answered}"
)

CASES: tuple[Case, ...] = (
    # What people answer, as their programs quote
    Case("Outlook", outlook, "reply", "camille", quoted="De : Support ETNIC", holds=(SAID,), lacks=("redémarrez",)),
    Case("Gmail", gmail, "reply", "camille", text=SAID, quoted="redémarrez"),
    Case("Thunderbird", thunderbird, "reply", "camille", text=SAID, quoted="redémarrez"),
    Case(
        "Thunderbird, entre les lignes", thunderbird_inside, "reply", "camille", holds=("deux fois", "Voyez-vous")
    ),
    Case("OWA, HTML seul", owa, "reply", "camille", text=SAID, quoted="redémarrez"),
    Case("iPhone", iphone, "reply", "camille", text=SAID, quoted="redémarrez"),
    Case(
        "Outlook en anglais",
        lambda s: mail(
            text=f"{SAID}\n\n-----Original Message-----\nFrom: ETNIC\nSent: Thursday\nTo: Camille\n\nBonjour.",
            answers=s.answered,
        ),
        "reply", "camille", text=SAID, quoted="Original Message",
    ),
    Case(
        "sans rien écrire au-dessus de la citation",
        lambda s: mail(text="Le 14/11/2024 à 09:12, ETNIC a écrit :\n> Est-ce réglé ?\n", answers=s.answered),
        "reply", "camille", holds=("Est-ce réglé",),
    ),
    Case(
        "lignes coulées (format=flowed)",
        lambda s: raw(FLOWED.format(answered=s.answered), b"Une seule \nphrase ici.\n"),
        "reply", "camille", text="Une seule phrase ici.",
    ),
    # How a mail finds its ticket
    Case(
        "référence dans l’objet, par le demandeur",
        lambda s: mail(subject=f"Ma demande {s.token()}"),
        "reply", "camille", why="référence",
    ),
    Case(
        "référence dans l’objet, par la boîte elle-même",
        lambda s: mail(author=f"Direction <{BOX}>", subject=f"Ma demande {s.token()}"),
        "reply", "camille",
    ),
    Case(
        "référence dans l’objet, par un inconnu",
        lambda s: mail(author="Inconnu <inconnu@exemple.test>", subject=f"Ma demande {s.token()}"),
        "quarantined", "camille", why="n’est pas celle de la demande",
    ),
    Case(
        "deux références dans l’objet",
        lambda s: mail(subject=f"{s.token()} et {s.token(s.broken)}"),
        "reply", "camille", why="seule demande",
    ),
    Case("sans référence, une seule demande en cours", lambda s: mail(subject="Encore moi"), "reply", "camille"),
    Case(
        "réponse à un courriel du portail, par une autre adresse",
        lambda s: mail(author="Autre Fictif <autre@exemple.test>", answers=s.answered),
        "quarantined", "camille", why="n’est pas celle de la demande",
    ),
    Case(
        "identifiant inventé, référence fausse, auteur inconnu",
        lambda s: mail(author="x <x@exemple.test>", subject="[D-ZZZZ-ZZZZ]", answers="<rien@portail.bma.cfwb.be>"),
        "quarantined", why="pas connue",
    ),
    # Teams that work by mail
    Case(
        "Priminfo répond",
        lambda s: mail(
            author="Technicien Fictif <sttd@priminfo.test>", text="L’écran est commandé.", answers=s.for_team
        ),
        "note", "priminfo", text="L’écran est commandé.",
    ),
    Case(
        "Priminfo répond, depuis l’adresse d’un technicien",
        lambda s: mail(author="Technicienne Fictive <t@priminfo.test>", text="Demain.", answers=s.for_team),
        "note", "priminfo", text="Demain.",
    ),
    Case(
        "un technicien répond à un courriel qui n’était pas pour son équipe",
        lambda s: mail(author="Technicienne Fictive <t@priminfo.test>", text="Demain.", answers=s.answered),
        "quarantined", "camille",
    ),
    Case(
        "Priminfo répond dans une demande qui n’est pas la sienne",
        lambda s: mail(author="sttd@priminfo.test", subject=s.token()),
        "quarantined", "camille", why="plus confiée",
    ),
    Case(
        "Priminfo sans référence",
        lambda s: mail(author="sttd@priminfo.test", subject="Écran"),
        "quarantined", why="équipe",
    ),
    # What opens a ticket
    Case(
        "une boîte administrative écrit à l’ETNIC",
        lambda s: mail(author="Direction <po000931@adm.cfwb.be>", subject="Outlook refuse mon mot de passe"),
        "ticket", "new",
    ),
    Case(
        "une boîte administrative écrit au SGNE",
        lambda s: mail(author="Direction <po000931@adm.cfwb.be>", subject="Ma date de migration"),
        "ticket", "new", sender="sgne",
    ),
    Case(
        "une boîte qui n’existe pas",
        lambda s: mail(author="Direction <ec999998@adm.cfwb.be>", subject="Bonjour"),
        "quarantined",
    ),
    Case(
        "objet vide",
        lambda s: raw("To: support@etnic.be", b"Bonjour", author="po000931@adm.cfwb.be"),
        "ticket", "new",
    ),
    Case(
        "plusieurs demandes en cours : une nouvelle, que l’équipe trie",
        lambda s: mail(author="Sacha Fictif <sacha@exemple.test>", subject="Encore un souci"),
        "ticket", "new",
    ),
    Case("inconnu", lambda s: mail(author="Publicité <vente@exemple.test>", subject="Offre"), "quarantined"),
    # What nobody wrote
    Case(
        "absence du bureau",
        lambda s: mail(subject="Absence du bureau : Camille", text="Je reviens lundi.", answers=s.answered),
        "ignored",
    ),
    Case(
        "question sur la réponse automatique",
        lambda s: mail(subject="Réponse automatique : comment la régler ?"),
        "quarantined", "camille", why="d’après son objet",
    ),
    Case(
        "réponse automatique (Auto-Submitted)",
        lambda s: mail(subject="Re: Réponse", answers=s.answered, Auto_Submitted="auto-replied"),
        "ignored", why="Auto-Submitted",
    ),
    Case(
        "X-Auto-Response-Suppress, sans autre signe",
        lambda s: mail(answers=s.answered, X_Auto_Response_Suppress="All"),
        "quarantined", "camille", why="Peut-être",
    ),
    Case("envoi en nombre", lambda s: mail(subject="Lettre", Precedence="bulk"), "ignored"),
    Case("liste de diffusion", lambda s: mail(subject="Lettre", List_Id="<lettre.exemple.test>"), "ignored"),
    Case("notre propre courriel qui revient", lambda s: mail(X_BMA_Key=s.mail_2_key), "ignored", why="portail"),
    Case("réponse à une invitation", lambda s: with_calendar("REPLY", "Accepté : Point", ""), "ignored"),
    Case("invitation", lambda s: with_calendar("REQUEST", "Point sur la boîte", "On se voit ?"), "reply", "camille"),
    # Non-delivery
    Case("non remis", lambda s: non_delivery(key=s.mail_2_key, recipient=BOX), "bounce"),
    Case(
        "non remis à une adresse vers laquelle la boîte redirige",
        lambda s: non_delivery(key=s.mail_2_key, recipient="ailleurs@exemple.test"),
        "ignored", why="autre destinataire",
    ),
    Case(
        "remise retardée",
        lambda s: non_delivery(key=s.mail_2_key, recipient=BOX, action="delayed", status="4.4.7"),
        "ignored", why="retardé",
    ),
    Case(
        "non remis, en texte seul",
        lambda s: mail(
            author="postmaster@exemple.test",
            subject="Non remis : Le nouveau mot de passe",
            text=f"Échec : {BOX}\n550 5.1.10 introuvable\n\nX-BMA-Key: {s.mail_2_key}\n",
        ),
        "bounce",
    ),
    Case(
        "faux avis, d’un courriel que le portail n’a pas envoyé",
        lambda s: non_delivery(key="11111111-2222-4333-8444-555555555555", recipient=BOX),
        "ignored",
    ),
    # Secrets
    Case(
        "la réponse cite le mail 2",
        quoting_mail_2,
        "reply", "camille", text="Il ne marche pas !", quoted="CONSERVEZ", holds=("Il ne marche",),
    ),
    Case(
        "un mot de passe écrit par la personne",
        lambda s: mail(text="Mon mot de passe est : Tartine42", answers=s.answered),
        "reply", "camille", holds=("Mon mot de passe est",), lacks=("Tartine42",),
    ),
    Case(
        "un numéro de registre national",
        lambda s: mail(text="Mon numéro : 85.07.30-033.28, merci.", answers=s.answered),
        "reply", "camille", holds=("retiré", "merci"), lacks=("033.28",),
    ),
    # Files
    Case(
        "une photo, un document Word",
        lambda s: mail(
            answers=s.answered,
            files=[("écran.png", png(), "image/png"), ("lettre.docx", b"PK\x03\x04", "application/msword")],
        ),
        "reply", "camille", files=1, holds=("Pièce jointe refusée : lettre.docx",),
    ),
    Case(
        "une image dans le texte, un logo de signature",
        lambda s: mail(
            html='<p>Voyez :</p><img src="cid:ecran@x"><p>--</p><img src="cid:logo@x">',
            answers=s.answered,
            inline=[("ecran@x", png()), ("logo@x", png(60, 20))],
        ),
        "reply", "camille", files=1, lacks=("logo", "refusée"),
    ),
    Case(
        "winmail.dat",
        lambda s: mail(
            text=None, html=None, answers=s.answered,
            files=[("winmail.dat", tnef("Ma réponse est là-dedans.", "ecran.png", png()), "application/ms-tnef")],
        ),
        "reply", "camille", files=1, holds=("là-dedans",),
    ),
    Case(
        "winmail.dat abîmé",
        lambda s: mail(answers=s.answered, files=[("winmail.dat", b"\x78\x9f\x3e\x22" * 9, "application/ms-tnef")]),
        "reply", "camille", holds=("winmail.dat",),
    ),
    Case("20 Mo", lambda s: heavy(20), "reply", "camille", holds=("Voici la photo.", "dépasse 8 Mo")),
    Case("30 Mo", lambda s: heavy(1), "refused", size=30_000_000, why="25 Mo"),
    # Encodings, and what is malformed
    Case(
        "UTF-8 annoncé comme ASCII",
        lambda s: raw("Content-Type: text/plain; charset=us-ascii\nSubject: abc", "Réponse à l’école".encode()),
        "reply", "camille", text="Réponse à l’école",
    ),
    Case(
        "Windows-1252 annoncé comme UTF-8",
        lambda s: raw("Content-Type: text/plain; charset=utf-8\nSubject: abc", "Réponse à l’école".encode("cp1252")),
        "reply", "camille", text="Réponse à l’école",
    ),
    Case(
        "jeu de caractères inconnu",
        lambda s: raw("Content-Type: text/plain; charset=klingon\nSubject: abc", "Réponse".encode()),
        "reply", "camille", text="Réponse",
    ),
    Case(
        "base64 abîmé",
        lambda s: raw("Content-Type: text/plain\nContent-Transfer-Encoding: base64\nSubject: abc", b"Qm9uam91cg=A=!"),
        "reply", "camille", holds=("Bonjour",),
    ),
    Case(
        "objet en mots codés, coupés et d’un autre jeu",
        lambda s: raw("Subject: =?utf-8?b?w4l0w6kg?= =?iso-8859-1?q?=E0_l=27=E9cole?=", b"Bonjour"),
        "reply", "camille", text="Bonjour",
    ),
    Case(
        "en-têtes cachés dans un nom",
        lambda s: raw(
            "Subject: =?utf-8?q?a=0D=0ABcc=3A_tous=40exemple=2Etest?=",
            b"Bonjour",
            author="=?utf-8?q?Camille=0D=0AX-BMA-Key=3A_1?= <camille@exemple.test>",
        ),
        "reply", "camille", text="Bonjour",
    ),
    Case(
        "deux auteurs",
        lambda s: raw("Subject: abc\nFrom: Autre <autre@exemple.test>", b"Bonjour"),
        "quarantined", why="clairement",
    ),
    Case(
        "adresse d’une équipe comme nom",
        lambda s: mail(author='"support@etnic.be" <pirate@exemple.test>', subject=s.token()),
        "quarantined", "camille",
    ),
    Case(
        "expéditeur que le serveur n’a pas reconnu",
        lambda s: mail(
            author="po000931@adm.cfwb.be", subject="Urgent", Authentication_Results="exchange; spf=fail smtp.x=y"
        ),
        "quarantined", why="fausse",
    ),
    Case("vide", lambda s: raw("Subject: vide", b""), "reply", "camille", holds=("pas de texte",)),
    Case("rien du tout", lambda s: b"", "quarantined"),
    Case("octets quelconques", lambda s: bytes(range(256)) * 20, "quarantined"),
    Case(
        "NUL et signes cachés",
        lambda s: raw("Subject: a\0b", "Bon\0jour \u202ecaché\u202c \ud7ff".encode()),
        "reply", "camille", holds=("Bonjour caché",), lacks=("\0", "\u202e"),
    ),
    # HTML, and mails within mails
    Case(
        "HTML hostile",
        lambda s: mail(
            text=None,
            html='<p onclick="a()">Bonjour</p><script>alert(1)</script><img src="http://pistage.test/x.gif">'
            '<a href="javascript:a()">ici</a><iframe src="http://x.test"></iframe><form action="/x"><input></form>'
            '<style>body{background:url(http://y.test)}</style><svg onload="a()"></svg>',
            answers=s.answered,
        ),
        "reply", "camille", holds=("Bonjour",), lacks=("alert", "pistage"),
    ),
    Case("transferts emboîtés", lambda s: forwarded(3), "reply", "camille", holds=("boîte pleine", "Collègue Fictif")),
    Case("transferts sans fin", lambda s: forwarded(30), "reply", "camille", holds=("Voici",)),
    Case(
        "le message d’origine transféré dans le texte",
        lambda s: mail(
            subject="TR: écran",
            text="---------- Message transféré ----------\nDe : Collègue\nObjet : écran\n\nBoîte pleine.",
        ),
        "reply", "camille", holds=("Boîte pleine.",),
    ),
    Case(
        "cent mille signes",
        lambda s: mail(text="blabla " * 15_000, answers=s.answered),
        "reply", "camille", holds=("message coupé",),
    ),
)  # fmt: skip
