"""The words that people use for the same thing, written as `fold` leaves them, and what acronyms stand for."""

import re
from collections.abc import Iterable

from bma_portal.templatetags.french import insecable

# One group, one meaning: whichever is typed finds the articles that use any other. Wrong acronyms of the documents
# (K13) are here, where nobody reads them.
GROUPS: tuple[tuple[str, ...], ...] = (
    ("mot de passe", "mots de passe", "mdp", "mp", "password", "motdepasse", "mots de passes", "mot de pass", "pass"),
    ("webmail", "owa", "outlook web", "outlook web app", "interface web", "ec cfwb be",
     "nouveau webmail", "nouvelle interface"),
    ("bma", "boite mail administrative", "boites mails administratives", "boite administrative"),
    ("mail", "mails", "courriel", "courriels", "email", "emails", "e mail", "e mails", "message", "messages",
     "courrier", "mel"),
    ("boite", "boites", "boite mail", "adresse mail", "messagerie", "boite aux lettres"),
    ("esahr", "esarh", "enseignement secondaire artistique a horaire reduit", "academie", "academies"),
    ("smail2", "smal2", "smail", "ancien serveur", "imail", "ancienne interface", "ancien webmail", "vieux serveur",
     "ancienne messagerie", "vieille messagerie", "webmail adm cfwb be", "webmail adm cfwb"),
    ("exchange", "nouveau serveur", "nouvelle interface", "nouveau webmail", "nouvelle messagerie"),
    ("telephone etnic", "telephone de l etnic", "telephone du support etnic", "tel etnic", "numero etnic",
     "numero de l etnic"),
    ("popup", "pop up", "popups", "pop ups"),
    ("ordinateur", "ordinateurs", "ordi", "ordis", "pc", "portable", "laptop", "poste"),
    ("telephone", "telephones", "tel", "gsm", "smartphone", "iphone", "android", "mobile", "tablette", "ipad"),
    ("internet", "wifi", "wi fi", "connexion internet", "reseau", "routeur", "modem", "ligne internet"),
    ("fournisseur", "operateur", "proximus", "voo", "orange", "provider"),
    ("vol", "vole", "volee", "voles", "volees", "cambriole", "cambriolage", "cambrioleurs", "derobe"),
    ("proces verbal", "pv", "plainte", "declaration de vol", "police"),
    ("carte d identite", "identite", "ci"),
    ("imprimante", "imprimantes", "imprimer", "scanner"),
    ("panne", "pannes", "casse", "cassee", "ne s allume plus", "hors service", "hs", "en panne", "defectueux",
     "ne demarre plus"),
    ("garantie", "garanti", "garanties", "sous garantie", "hors garantie"),
    ("plein", "pleine", "sature", "saturee", "quota", "espace", "capacite", "taille", "mo", "mb", "go"),
    ("transfert", "transferer", "transfere", "redirection", "rediriger", "renvoi", "renvoyer", "forward"),
    ("recevoir", "recois", "recoit", "reception", "arrive", "arrivent", "arriver", "recu", "recus"),
    ("envoyer", "envoi", "envoie", "expedier", "partent", "partir"),
    ("perdu", "perdus", "perdue", "perdre", "perds", "oublie", "oublies", "oubliee", "egare", "egares",
     "retrouve", "retrouver", "retrouve plus", "souviens", "rappelle"),
    ("expire", "expiree", "perime", "perimee", "expiration"),
    ("date", "dates", "quand", "calendrier", "planning"),
    ("migration", "migrer", "migre", "migree", "passage", "basculement", "bascule", "demenagement"),
    ("directeur", "directrice", "direction", "chef d etablissement", "titulaire"),
    ("pouvoir organisateur", "po", "pouvoirs organisateurs"),
    ("ecole", "etablissement", "ecoles", "etablissements"),
    ("deux ecoles", "plusieurs ecoles", "deux etablissements", "plusieurs etablissements", "deux boites"),
    ("cpms", "centre pms", "centre psycho medico social", "pms"),
    ("promotion sociale", "enseignement pour adultes", "promsoc"),
    ("configurer", "configuration", "parametrer", "parametres", "installer", "installation", "ajouter un compte",
     "reglages", "regler"),
    ("acceder", "accede", "acces", "inaccessible"),
    ("navigateur", "navigateurs", "browser"),
    ("sauvegarder", "sauvegarde", "sauvegardes", "enregistrer", "enregistre", "memorise", "archiver", "archive",
     "conserver", "garder"),
    ("cerbere", "am cfwb", "edu perso", "cerber"),
    ("antivirus", "anti virus", "virus"),
    ("pilote", "pilotes", "driver", "drivers"),
    ("hameconnage", "phishing", "arnaque", "frauduleux", "suspect"),
    ("gia", "gestionnaire des identites", "gestionnaire des acces", "gestionnaire des identites et des acces"),
    ("circulaire", "circulaires", "reglement"),
    ("contacter", "contacte", "joindre", "m adresser", "s adresser", "appeler", "telephoner"),
    ("support", "helpdesk", "help desk", "service desk", "assistance"),
    ("prive", "privee", "personnel", "personnelle", "gmail", "hotmail"),
)  # fmt: skip

# What every article is about: these words, and those for the same, tell little of what is asked.
COMMON = frozenset({"bma", "boite", "mail", "ecole"})

# Words of questions that say nothing of what is asked. PostgreSQL's own list is applied after this one.
EMPTY = frozenset(
    """a ai ait alors apres au aucun aucune aussi autre aux avant avec avez avoir avons bien bonjour c ca ce ceci cela
    ces cet cette ceux chez ci comme comment dans de depuis des deux devons devrait dit dois doit donc du elle elles
    en encore ensuite entre est et etait etre eu faire fait faites faut il ils j jamais je jusque l la le les leur
    leurs lors lorsque lui m ma mais me mes merci mettre moi mon n ne ni nos notre nous on ont ou par parce pas
    pendant peu peut peux plus pour pourquoi pouvez pouvons puis qu que quel quelle quelles quels quelque quelqu qui
    quoi s sa sans se ses si soit sommes son sont suis sur svp t ta te tes toi ton toujours tout toute toutes tous
    tres trop tu un une urgent va vais veut veux via voici voila vont vos votre voudrais vous y bonsoir madame monsieur
    hier lundi mardi mercredi jeudi vendredi
    jai jen jy jsuis jarrive cest nest quest ya yaura mtn tjs pr ds ke koi stp deja
    aide aider probleme problemes souci soucis savoir chose""".split()  # noqa: SIM905
)

# A9: what each acronym stands for, said once per page.
ACRONYMS: dict[str, str] = {
    "BMA": "boîte mail administrative",
    "PO": "pouvoir organisateur",
    "SGNE": "Service général du Numérique éducatif",
    "ETNIC": "Entreprise publique des Technologies Numériques de l’Information et de la Communication",
    "GIA": "gestionnaire des identités et des accès",
    "MODE": "modèle de délégation, l’application où se donnent les permissions",
    "FASE": "registre des établissements et des pouvoirs organisateurs",
    "FW-B": "Fédération Wallonie-Bruxelles",
    "OWA": "Outlook Web App, la boîte dans un navigateur",
    "CPMS": "centre psycho-médico-social",
    "PSE": "promotion de la santé à l’école",
    "ESAHR": "enseignement secondaire artistique à horaire réduit",
    "CTA": "centre de technologies avancées",
    "CAF": "centre d’autoformation et de formation continuée",
    "CDPA": "centre de dépaysement et de plein air",
    "DAccE": "dossier d’accompagnement de l’élève",
    "POP": "protocole qui relève les mails vers un ordinateur",
    "POP3": "protocole qui relève les mails vers un ordinateur",
    "IMAP": "protocole qui lit les mails en les laissant sur le serveur",
    "SMTP": "protocole qui envoie les mails",
    "SSL": "chiffrement de la connexion",
}
_TAG = re.compile(r"(<[^>]+>)")
_ACRONYM = re.compile(
    r"(?<![\w@./-])(" + "|".join(sorted(map(re.escape, ACRONYMS), key=len, reverse=True)) + r")(?![\w@-])"
)
_QUIET = ("a", "abbr", "code", "pre", "h1", "h2", "h3", "h4")
_BLOCKS = ("p", "li", "td", "th", "tr", "div", "blockquote", "figure", "ul", "ol", "table")
_CLOSING = ("</strong>", "</em>")
NEAR_BY = 90  # signs on each side of an acronym where the text may explain it itself


def phrases() -> dict[tuple[str, ...], tuple[str, ...]]:
    """By words, every way of saying the same; a phrase may stand in two groups."""
    found: dict[tuple[str, ...], tuple[str, ...]] = {}
    for group in GROUPS:
        for phrase in group:
            words = tuple(phrase.split())
            found[words] = tuple(dict.fromkeys([*found.get(words, (phrase,)), *group]))
    return found


def expand(html: str, *, already: Iterable[str] = ()) -> str:
    """The first time that an acronym stands in the text of a page, what it stands for is written after it (A9).

    Where that would read badly (in a heading, a link, brackets, the quoted name of a button) a later time does;
    one that finds no good place is told at the end. What the text explains itself, or lists as an entry of a
    glossary, is left as it is.
    """
    pieces = _TAG.split(html)
    words = "".join("" if piece.startswith("<") else piece for piece in pieces).replace("\N{NO-BREAK SPACE}", " ")
    told = {ACRONYMS[acronym] for acronym in already}
    left: dict[str, str] = {}  # by meaning, the acronyms that found no good place yet
    page, offset, after = _Place(), 0, ""
    made = []
    for number, piece in enumerate(pieces):
        if piece.startswith("<"):
            page.enter(piece)
            made.append(piece)
            if after and piece in _CLOSING:
                made.append(after)
                after = ""
            continue
        kept, at = [], 0
        for found in _ACRONYM.finditer(piece):
            page.read(piece[at : found.start()])
            kept.append(piece[at : found.end()])
            at, acronym = found.end(), found[1]
            meaning = ACRONYMS[acronym]
            if page.quiet or meaning in told:
                continue
            if page.is_entry(piece) or _is_told(meaning, words, offset + found.start(), offset + found.end()):
                told.add(meaning)
            elif page.reads_badly or words[offset + found.end() :].startswith(" ("):
                left.setdefault(meaning, acronym)
                continue
            elif found.end() == len(piece) and "".join(pieces[number + 1 : number + 2]) in _CLOSING:
                after = f" ({meaning})"  # outside of what is stressed
                told.add(meaning)
            else:
                kept.append(f" ({meaning})")
                told.add(meaning)
            left.pop(meaning, None)
        page.read(piece[at:])
        made += [*kept, piece[at:]]
        offset += len(piece)
    rest = " ; ".join(f"{acronym}, {meaning}" for meaning, acronym in left.items())
    name = "Sigles" if len(left) > 1 else "Sigle"
    return "".join(made) + (insecable(f'<p class="aide-sigles">{name} : {rest}.</p>') if rest else "")


class _Place:
    """Where one is in a page: in a heading or a link, between brackets or quotation marks, in a cell."""

    def __init__(self) -> None:
        self.quiet = self.brackets = self.quotes = 0
        self.cell = self.strong = False

    def enter(self, tag: str) -> None:
        found = re.match(r"<(/?)([a-z0-9]+)", tag)
        closes, name = (found[1], found[2]) if found else ("", "")
        if name in _QUIET:
            self.quiet += -1 if closes else 1
        elif name == "strong":
            self.strong = not closes
        elif name in _BLOCKS:
            self.brackets = self.quotes = 0
            self.cell = name == "td" and not closes

    def read(self, text: str) -> None:
        self.brackets = max(0, self.brackets + text.count("(") - text.count(")"))
        self.quotes = max(0, self.quotes + text.count("«") - text.count("»"))

    @property
    def reads_badly(self) -> bool:
        return bool(self.brackets or self.quotes)

    def is_entry(self, piece: str) -> bool:
        return self.cell and self.strong and piece.strip() in ACRONYMS


def _is_told(meaning: str, words: str, start: int, end: int) -> bool:
    """The text beside an acronym says itself what it stands for."""
    beside = words[max(0, start - NEAR_BY) : end + NEAR_BY].lower()
    return meaning.partition(",")[0].lower() in beside
