"""What was measured, as a table for the terminal and as `bench/results.md`."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results.md"


@dataclass(frozen=True)
class Line:
    """One figure. `kept` is None for what is told without a target, or could not be measured."""

    what: str
    figure: str
    target: str = ""
    kept: bool | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        return {True: "tenu", False: "MANQUÉ", None: "—"}[self.kept]


def number(value: float, places: int = 2) -> str:
    """As it is written in French."""
    return f"{value:.{places}f}".replace(".", ",")


def ratio(what: str, ratios: Sequence[float], target: float, detail: str) -> Line:
    """The median of the repetitions against the least that is promised."""
    median = statistics.median(ratios)
    spread = f"{len(ratios)} répétitions, de {number(min(ratios))} à {number(max(ratios))}"
    spread = spread if len(ratios) > 1 else "une seule répétition"
    return Line(what, number(median), f"≥ {number(target)}", median >= target, f"{detail} {spread}.")


def at_most(what: str, value: float, target: float, detail: str) -> Line:
    return Line(what, number(value), f"≤ {number(target)}", value <= target, detail)


def none(what: str, count: int, detail: str) -> Line:
    """Something that must never happen, counted."""
    return Line(what, str(count), "0", count == 0, detail)


def table(lines: Sequence[Line]) -> str:
    """For a terminal."""
    rows = [("mesure", "résultat", "promis", "verdict"), *((x.what, x.figure, x.target, x.verdict) for x in lines)]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


HOW = """## Comment c’est mesuré

- **Chaque résultat est un rapport** entre deux choses faites l’une après l’autre, plusieurs fois, sur les mêmes
  serveurs : une machine lente ou occupée ralentit les deux. On garde la médiane des rapports ; celui qui commence
  change à chaque répétition, et si trois rapports s’écartent de plus de 15 %, on recommence, cinq fois au plus, sans
  regarder s’ils sont bons.
- **Serveurs** : un PostgreSQL et un Valkey pour la mesure seule, réglés comme en production (chaque validation attend
  le disque), et un seul processus de la doublure d’Exchange ; le portail a les réglages de ses tests
  (`bma_portal.settings.test`) : morceaux de 50, bail de 300 s, de 3 s pour la mesure sous pannes. Avant chaque
  répétition la base est une copie neuve d’une base préparée, et la doublure est vidée.
- **Limite d’exchangelib** (`bench/acts.py`, `raw`) : un processus, exchangelib seul, les mêmes brouillons par 50
  (`CreateItem`, `SaveOnly`) puis `SendItem` par identifiant, courriel par courriel ; les lignes sont lues avant le
  départ, aucune requête à la base ensuite (elle serait refusée). Les deux côtés composent les mêmes courriels : une
  moitié de mails 1 (texte déjà composé), une moitié de mails 2 (mot de passe descellé et texte composé à l’envoi).
- **Un ouvrier** : un processus simple qui appelle `outbox.drain`, comme la tâche Celery, jusqu’à ce que rien ne reste.
  Il travaille à tour de rôle avec exchangelib seul, une seconde chacun, l’autre attendant ; on compare les temps de
  travail des deux files entières. Après chaque répétition, le journal de la doublure doit montrer chaque courriel une
  fois.
- **50 ms de latence** : la doublure attend 50 ms avant chaque réponse ; un ouvrier, puis quatre, avec le même nombre
  de courriels chacun ; on compare leurs débits, du signal de départ à la fin du dernier.
- **Mémoire** : le plus haut qu’ait atteint le processus qui envoie (`VmHWM`), d’un nombre de courriels à l’autre.
- **Ordre** : plusieurs courriels en file par boîte, signés tour à tour par les deux expéditeurs, quatre ouvriers, des
  pannes au hasard (connexion coupée avant et après le travail, réponse tronquée, 503, serveur occupé, erreur bien que
  le travail soit fait) et un ouvrier tué par `kill -9`. L’ordre est celui du journal de la doublure.
- **Deux hôtes** : deux vrais ouvriers Celery de quatre processus sur la même file, sonnés comme le portal les sonne.
- **Import** : le registre réel de 2023, lu et appliqué comme `import_fase --wet-run`, contre `COPY` du même fichier
  dans une table temporaire puis une fusion (`INSERT … SELECT … ON CONFLICT DO UPDATE`) dans des tables nues de même
  forme, sans contrôle, sans clé étrangère, sans historique. Au registre inchangé, cette fusion réécrit chaque ligne ;
  la mesure sans promesse compare avec une fusion qui laisse les lignes égales, comme nous. « Rien n’est écrit » :
  aucune ligne n’a changé de place ni de transaction, et PostgreSQL n’a pas donné de numéro à la nôtre.
- **Plan** (`bench/planning.py`) : 40 000 boîtes inventées, puis 400 000, en temps du processeur, à tour de rôle (dix
  plans du petit nombre pour un du grand), de la liste lue à l’empreinte du plan. Une liste dix fois plus longue ne
  tient plus dans les mémoires du processeur, un tri nu le paie aussi : la croissance se rapporte à la sienne ; la
  capacité demande plus de semaines que n’en ont les périodes. La limite trie la même liste par adresse et la coupe
  en autant de tranches.
- **Bureau et demandes, à côté de django-helpdesk** (`bench/desk.py`, `bench/sides/`) : django-helpdesk 2.6.1, de PyPI,
  dans un environnement à lui (`bench/requirements-helpdesk.txt`) et une base à lui sur le même serveur, remplie des
  mêmes demandes, messages et mots que la nôtre (`seed_tickets`, tout est inventé). Chaque côté est un processus qui
  appelle son application WSGI entière (intergiciels, session, gabarits) sans prise réseau, connecté comme un agent ;
  ils travaillent à tour de rôle, quelques appels chacun, et on compare les médianes d’un même tour ; les premiers
  appels, où PostgreSQL planifie et où chacun lit ses gabarits, ne comptent pas. De son côté : le formulaire public,
  dont l’accusé de réception part à un relais SMTP de la même machine qui le prend aussitôt ; sa liste, une recherche
  enregistrée et une recherche de texte, chacune ouverte comme une personne l’ouvre (la page, puis les 25 lignes
  qu’elle demande) ; la page d’une demande. Du nôtre : le formulaire (limites, règles, accusé mis en file) et les
  pages entières. Aucun ouvrier n’entend nos sonnettes : comme devant un ouvrier occupé, l’appel ne se publie qu’une
  fois toutes les cinq secondes. Sa recherche lit titres et descriptions, la nôtre tous les messages. Les
  instructions SQL sont comptées dans chaque processus. Sans PyPI, la ligne le dit et n’est pas tenue.
- **Listes de l’administration** (`bench/admin.py`, `seed_volume`) : une campagne inventée de 40 000 boîtes et 160 000
  mails, dix fois la réalité ; `--long` recommence à cent fois. Un agent du SGNE connecté demande les pages l’une après
  l’autre à l’application WSGI entière, sans prise réseau ; chaque mesure tourne sur plusieurs adresses (boîtes,
  passages, mails, courriels, unités, journal), et c’est la page que 95 appels sur cent ne dépassent pas qui compte. Un
  `SELECT` nu de cent lignes jointes, lu par le même pilote au même moment, dit ce que la machine pouvait faire alors.
- **Relais lent** : notre formulaire pendant que la doublure d’Exchange met 2 s à répondre, puis quand elle est
  injoignable ; le leur envoie alors à un serveur SMTP qui met 1 s par mail.
- **100 000 demandes** : les mêmes pages de notre bureau sur deux bases, de 10 000 demandes et de 100 000 (500 000
  messages), à tour de rôle. **Huit personnes** : huit clients qui enchaînent ces pages sans pause, à 100 000 demandes,
  sur gunicorn avec les ouvriers de l’image, sur la même machine qu’eux.
"""


def machine(postgres: str) -> str:
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        memory = f", {gib:.0f} Gio de mémoire"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cœurs{memory}, {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"PostgreSQL {postgres}"
    )


def load() -> str:
    """How many processes wanted to run lately: those of others make ratios of several processes worse."""
    return number(os.getloadavg()[0], 1)


def markdown(lines: Sequence[Line], *, postgres: str, seconds: float, command: str, load_before: str) -> str:
    rows = "\n".join(f"| {x.what} | {x.figure} | {x.target} | {x.verdict} |" for x in lines)
    details = "\n".join(f"- **{x.what}** : {x.detail}" for x in lines if x.detail)
    return (
        "# Mesures\n\n"
        f"Écrit par `{command}` le {datetime.now(UTC):%d/%m/%Y} en {seconds:.0f} s : ne pas modifier à la main.\n\n"
        f"Machine : {machine(postgres)} ; charge avant la mesure : {load_before}.\n\n"
        f"| Mesure | Résultat | Promis | Verdict |\n|---|---|---|---|\n{rows}\n\n"
        f"## Détails\n\n{details}\n\n{HOW}"
    )
