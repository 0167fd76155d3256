"""The pages' HTML. Every value is escaped where it is written; nothing here runs a script."""

from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from demo.exchange.messages import Mail
from demo.exchange.store import Delivery, Place

BRUSSELS = ZoneInfo("Europe/Brussels")
OLD_PASSWORD = "ancien-serveur"
DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip


class Face:
    """One of the interfaces: the old one shows what came before the night, the new one shows everything, and the
    one of elsewhere what left for an address that is no administrative mailbox's.
    """

    def __init__(self, slug: str, name: str, intro: str, *, old: bool = False, elsewhere: bool = False):
        self.slug = slug
        self.name = name
        self.intro = intro
        self.old = old
        self.elsewhere = elsewhere

    @property
    def moves(self) -> bool:
        """Whether a mailbox is here only from its night on."""
        return not self.old and not self.elsewhere

    @property
    def cookie(self) -> str:
        # Cookies ignore ports: the portal runs beside us and must not meet ours under a common name.
        return f"bma_demo_{self.slug}"


OLD = Face(
    "ancien", "Ancienne interface", "Le courriel des boîtes administratives avant la migration.", old=True
)  # fmt: skip
NEW = Face("owa", "Nouvelle interface", "Le courriel des boîtes administratives après la migration.")
ELSEWHERE = Face(
    "ailleurs", "Autres adresses", "Ce que le portail écrit à une adresse inventée, hors des boîtes administratives.",
    elsewhere=True,
)  # fmt: skip
FACES = {face.slug: face for face in (OLD, NEW, ELSEWHERE)}


def day(at: datetime) -> str:
    at = at.astimezone(BRUSSELS)
    number = "1er" if at.day == 1 else str(at.day)
    return f"{DAYS[at.weekday()]} {number} {MONTHS[at.month - 1]} {at.year}"


def minute(at: datetime) -> str:
    return f"{day(at)} à {at.astimezone(BRUSSELS):%H:%M}"


def when(at: datetime) -> str:
    return f'<time datetime="{escape(at.isoformat())}">{minute(at)}</time>'


def sender_of(mail: Mail) -> str:
    return (mail.author.name or mail.author.email) if mail.author else mail.sent_by


def layout(title: str, content: str, *, face: Face | None = None, address: str = "", error: bool = False) -> str:
    skin = face.slug if face else "demo"
    signed = ""
    if face and address:
        signed = (
            f'<form class="sign-out" method="post" action="/{face.slug}/deconnexion"><span>{escape(address)}</span>'
            '<button type="submit">Se déconnecter</button></form>'
        )
    name = escape(face.name) if face else "Courriel de démonstration"
    home = f"/{face.slug}/" if face else "/"
    return (
        '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{'Erreur : ' if error else ''}{escape(title)} – {name}</title>"
        '<link rel="stylesheet" href="/style.css"><link rel="icon" href="data:,"></head>'
        f'<body class="{skin}"><a class="skip" href="#contenu">Aller au contenu</a>'
        '<header><p class="ribbon">Démonstration : courriels fictifs</p>'
        f'<div class="bar"><a class="brand" href="{home}">{name}</a>{signed}</div></header>'
        f'<main id="contenu"><h1>{escape(title)}</h1>{content}</main>'
        '<footer><nav aria-label="Pages de la démonstration"><a href="/">Accueil de la démonstration</a>'
        '<a href="/ancien/">Ancienne interface</a><a href="/owa/">Nouvelle interface</a>'
        '<a href="/ailleurs/">Autres adresses</a>'
        '<a href="/journal/">Journal des envois</a></nav></footer></body></html>'
    )


def welcome() -> str:
    return layout(
        "Les boîtes mails de la démonstration",
        "<p>Ici arrivent les courriels que le portail envoie pendant la démonstration. Rien ne sort de cet "
        "ordinateur : aucune école ne les reçoit.</p>"
        '<ul class="cards">'
        '<li><h2><a href="/ancien/">Ancienne interface</a></h2><p>Une boîte y est lue jusqu’à la nuit de sa '
        f"migration. Connectez-vous avec son adresse et le mot de passe de démonstration « {OLD_PASSWORD} » : "
        "vous y trouverez, entre autres, le courriel qui annonce le nouveau mot de passe.</p></li>"
        '<li><h2><a href="/owa/">Nouvelle interface</a></h2><p>Elle s’ouvre la nuit de la migration. Connectez-vous '
        "avec l’adresse et le nouveau mot de passe reçu par courriel.</p></li>"
        '<li><h2><a href="/ailleurs/">Autres adresses</a></h2><p>Une adresse de contact inventée, par exemple '
        "camille@exemple.test, donnée dans un formulaire du portail : ses courriels sont ici.</p></li>"
        '<li><h2><a href="/journal/">Journal des envois</a></h2><p>Les derniers courriels remis et leur nombre, '
        "sans leur contenu.</p></li></ul>",
    )


def sign_in(face: Face, *, address: str = "", problem: str = "") -> str:
    published = f"Dans cette démonstration, le mot de passe est « {OLD_PASSWORD} »."
    hint = "C’est le nouveau mot de passe, reçu par courriel avant la migration." if face.moves else published
    example = "camille@exemple.test" if face.elsewhere else "ec000123@adm.cfwb.be"
    where = {OLD: "à l’ancienne interface", NEW: "à la nouvelle interface"}.get(face, "avec une autre adresse")
    alert = f'<div class="alert" role="alert"><p>{escape(problem)}</p></div>' if problem else ""
    invalid = ' aria-invalid="true"' if problem else ""
    return layout(
        f"Se connecter {where}",
        f'<p>{face.intro}</p>{alert}<form class="sign-in" method="post" action="/{face.slug}/connexion">'
        '<p><label for="adresse">Adresse de la boîte</label>'
        f'<span class="hint" id="aide-adresse">Par exemple {example}</span>'
        f'<input id="adresse" name="adresse" type="text" inputmode="email" value="{escape(address)}" required '
        f'autocomplete="username" autocapitalize="none" spellcheck="false" aria-describedby="aide-adresse"'
        f"{invalid}></p>"
        '<p><label for="mot-de-passe">Mot de passe</label>'
        f'<span class="hint" id="aide-mot-de-passe">{hint}</span>'
        '<input id="mot-de-passe" name="mot_de_passe" type="password" required autocomplete="current-password" '
        f'aria-describedby="aide-mot-de-passe"{invalid}></p>'
        '<p><button type="submit">Se connecter</button></p></form>',
        face=face,
        error=bool(problem),
    )


def not_yet(face: Face, address: str, at: datetime | None) -> str:
    opening = (
        f"<p>Elle y sera à partir du <strong>{when(at)}</strong>.</p>"
        if at
        else "<p>La date de sa migration lui est annoncée par courriel.</p>"
    )
    return layout(
        "Votre boîte n’est pas encore ici",
        f"<p>La boîte <strong>{escape(address)}</strong> n’est pas encore sur la nouvelle interface.</p>{opening}"
        '<p>D’ici là, lisez vos courriels sur l’<a href="/ancien/">ancienne interface</a>.</p>',
        face=face,
    )


def mailbox(face: Face, address: str, places: list[Place], moved_at: datetime | None) -> str:
    notice = ""
    if face.old and moved_at:
        notice = (
            f'<div class="notice"><p>Depuis le {when(moved_at)}, les nouveaux courriels n’arrivent plus ici. '
            'Ils vous attendent sur la <a href="/owa/">nouvelle interface</a>.</p></div>'
        )
    elif face.old:
        notice = "<p>Voici les courriels reçus jusqu’à présent.</p>"
    elif moved_at:
        notice = f"<p>Votre boîte est sur cette interface depuis le {when(moved_at)}.</p>"
    rows = "".join(
        f'<li><a href="/{face.slug}/courriel/{place.seq}"><span class="subject">'
        f"{escape(place.mail.subject or '(sans objet)')}</span></a>"
        f'<span class="from">{escape(sender_of(place.mail))}</span><span class="date">{when(place.at)}</span></li>'
        for place in places
    )
    content = (
        f'<ol class="mails" reversed>{rows}</ol>' if rows else '<p class="empty">Aucun courriel pour le moment.</p>'
    )
    return layout("Boîte de réception", notice + content, face=face, address=address)


def message(face: Face, address: str, place: Place, mail: Mail, text: str | None, form: str = "") -> str:
    """One mail; `text` is its plain text, or None to show the HTML in its sealed frame; `form` stands under it."""
    base = f"/{face.slug}/courriel/{place.seq}"
    author = sender_of(mail)
    rows = [("De", f"{author} <{mail.sent_by}>" if author != mail.sent_by else author)]
    rows.append(("À", ", ".join(person.email for person in mail.to)))
    if mail.cc:
        rows.append(("Copie à", ", ".join(person.email for person in mail.cc)))
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    facts += f"<dt>Reçu le</dt><dd>{when(place.at)}</dd>"
    if mail.attachment_names:
        links = "".join(
            f'<li><a href="{base}/piece/{rank}">{escape(name)}</a></li>'
            for rank, name in enumerate(mail.attachment_names)
        )
        facts += f"<dt>Pièces jointes</dt><dd><ul>{links}</ul></dd>"
    switch = ""
    if text is None:
        body = (
            f'<iframe class="body" src="{base}/corps" title="Contenu du courriel" '
            'sandbox="allow-popups allow-popups-to-escape-sandbox"></iframe>'
        )
        switch = f'<p><a href="{base}?texte=1">Afficher en texte seul</a></p>'
    else:
        body = f'<div class="body text">{escape(text)}</div>'
        if mail.body_type == "HTML":
            switch = f'<p><a href="{base}">Afficher la mise en page</a></p>'
    return layout(
        mail.subject or "(sans objet)",
        f'<p><a href="/{face.slug}/">Retour à la boîte de réception</a></p><dl class="facts">{facts}</dl>'
        f"{body}{switch}{form}",
        face=face,
        address=address,
    )


def answer_form(face: Face, place: Place, *, problem: str = "", sent: bool = False) -> str:
    """To write back to one of the two teams, as the demonstration's director."""
    said = '<div class="notice" role="status"><p>Votre réponse est partie.</p></div>' if sent else ""
    alert = f'<div class="alert" role="alert"><p>{escape(problem)}</p></div>' if problem else ""
    invalid = ' aria-invalid="true"' if problem else ""
    return (
        f'{said}<h2 id="repondre">Répondre</h2>{alert}'
        f'<form method="post" action="/{face.slug}/courriel/{place.seq}/repondre">'
        '<p><label for="texte">Votre réponse</label>'
        f'<textarea id="texte" name="texte" rows="6" required{invalid}></textarea></p>'
        '<p><button type="submit">Envoyer la réponse</button></p></form>'
    )


def sealed_body(mail: Mail) -> str:
    """The mail's own HTML, for the frame. The response's CSP takes away scripts, forms and the network."""
    return (
        f'<!doctype html><html lang="fr"><head><meta charset="utf-8"><base target="_blank">'
        f"<title>{escape(mail.subject)}</title></head>{mail.body or ''}"
    )


def journal(rows: list[Delivery], counts: dict) -> str:
    lines = "".join(
        f'<li><span class="subject">{escape(row[7])}</span><span class="from">{escape(row[6])}</span>'
        f'<span class="date">{when(datetime.fromisoformat(row[1]))}</span></li>'
        for row in rows
    )
    twice = len(counts["duplicates"])
    latest = (
        '<h2 id="derniers">Les derniers remis, cent au plus</h2>'
        f'<ol class="mails" aria-labelledby="derniers">{lines}</ol>'
        if rows
        else '<p class="empty">Aucun courriel n’a encore été remis.</p>'
    )
    return layout(
        "Journal des envois",
        f'<dl class="counts"><div><dt>Courriels remis</dt><dd>{counts["delivered"]}</dd></div>'
        f"<div><dt>Remis deux fois</dt><dd>{twice}</dd></div>"
        f"<div><dt>Brouillons en attente</dt><dd>{counts['drafts']}</dd></div></dl>{latest}",
    )


def lost() -> str:
    return layout("Page introuvable", '<p>Cette page n’existe pas. <a href="/">Retour à l’accueil</a></p>')
