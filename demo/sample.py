"""An invented register with the real one's columns and quirks. No school, authority, place or number in it is real.

The numbers stand above those that the register gives today, the postal codes below the first one in use, the
enterprise numbers have a wrong check number, and each name of a place ends in something that Belgium does not have.
The same seed gives the same bytes.
"""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from accounts.models import Organisation

SEED = 2024
ESTABLISHMENTS = 300
AUTHORITIES = 100

_FIRST_EC, _FIRST_PO, _FIRST_SITE = 97_001, 97_101, 97_051  # the three spaces overlap, as the real ones do
_SAME_NUMBER = 97_150  # one establishment bears the number of its own PO

_STEMS = [
    "Val",
    "Mont",
    "Clair",
    "Haut",
    "Bel",
    "Froid",
    "Sart",
    "Bois",
    "Rivage",
    "Pont",
    "Roche",
    "Aulne",
    "Tilleul",
    "Grive",
    "Alouette",
    "Genêt",
    "Bruyère",
    "Étang",
    "Moulin",
    "Forge",
    "Prairie",
    "Vigne",
    "Chêne",
    "Sorbier",
]
_ENDS = ("fictif", "fictive", "-en-Songe", "-sous-Conte", "-lez-Fable", "-la-Rêvée")
_ZONES = (("Zone fictive du Nord", "Arrondissement d’Imagine"), ("Zone fictive du Sud", "Arrondissement de Fabulie"))
_WAYS = ("Rue", "Avenue", "Place", "Chemin", "Chaussée")
_WAY_NAMES = (
    "de l'École imaginaire",
    "du Crayon bleu",
    "des Trois Encriers",
    "de la Craie",
    "du Tableau noir",
    "des Cartables",
    "de l'Ardoise",
    "du  Préau",  # the double space is the real file's
)
_SAINTS = ("Sainte-Fable", "Saint-Conte", "Sainte-Légende", "Saint-Rébus")

_FUNDAMENTAL = (("Maternel ordinaire", "Fondamental", "Ordinaire"), ("Primaire ordinaire", "Fondamental", "Ordinaire"))
_SECONDARY = (("Secondaire ordinaire", "Secondaire", "Ordinaire"),)
_MIXED = (*_FUNDAMENTAL, *_SECONDARY)
_CEFA = (*_SECONDARY, ("Secondaire CEFA", "Secondaire", "Ordinaire"))
_SPECIAL = (
    ("Maternel spécialisé", "Fondamental", "Spécialisé"),
    ("Primaire spécialisé", "Fondamental", "Spécialisé"),
    ("Secondaire spécialisé", "Secondaire", "Spécialisé"),
)
_ARTS = (("Artistique à horaire réduit", "Secondaire", "Ordinaire"),)
_ADULTS = {
    "2023": (
        ("Promotion sociale secondaire", "Secondaire", "Ordinaire"),
        ("Promotion sociale supérieur", "Supérieur", "Ordinaire"),
        ("Promotion sociale CEFA", "Secondaire", "Ordinaire"),
    ),
    "2026": (
        ("Enseignement secondaire pour Adultes", "Secondaire", "Ordinaire"),
        ("Enseignement supérieur pour Adultes", "Supérieur", "Ordinaire"),
        ("Enseignement pour Adultes en alternance", "Secondaire", "Ordinaire"),
    ),
}
_HIGHER = ("Haute École", "École supérieure des Arts", "Université")

# Label for label, the columns of the two vintages.
_LABELS_2023 = [
    "N° FASE de l'établissement",
    "Nom de l'établissement",
    "Numéro BCE de l'établissement",
    "Type d'enseignement",
    "Niveau",
    "Genre",
    "Réseau",
    "Adresse de l'établissement",
    "Code postal de l'établissement",
    "Localité de l'établissement",
    "Commune de l'établissement",
    "Bassin",
    "Arrondissement administratif",
    "N° FASE de l'implantation",
    "Adresse de l'implantation",
    "Code postal de l'implantation",
    "Localité de l'implantation",
    "Commune de l'implantation",
    "Latitude",
    "Longitude",
    "N° FASE du P.O.",
    "Nom de P.O.",
    "N° BCE du P.O.",
    "Adresse du P.O.",
    "Code postal du P.O.",
    "Localité du P.O.",
    "Commune du P.O.",
    "geolocalisation",
]
_CHANGED_IN_2026 = {
    "Nom de l'établissement": "Nom d'établissement",
    "Code postal de l'établissement": "code_postal_de_l_etablissement",
    "Arrondissement administratif": "arrondissement_administratif",
    "N° FASE du P.O.": "N° FASE du PO",
    "Nom de P.O.": "Nom du PO",
    "N° BCE du P.O.": "Numéro BCE du PO",
    "Adresse du P.O.": "Adresse du PO",
    "Code postal du P.O.": "Code postal du PO",
    "Localité du P.O.": "Localité du PO",
    "Commune du P.O.": "Commune du PO",
    "geolocalisation": "pointgeo",
}


class Place(NamedTuple):
    street: str
    postal_code: str
    locality: str
    municipality: str


class Authority(NamedTuple):
    fase: int
    name: str
    network: str
    bce: str
    seat: Place
    area: tuple[str, str]


def write(path: Path, *, seed: int = SEED, vintage: str = "2023") -> Path:
    """Write the invented register: « 2023 » has semicolons and two byte-order marks, « 2026 » went through a
    spreadsheet (commas, `97001.0`, leading zeros lost)."""
    path.write_bytes(content(seed=seed, vintage=vintage))
    return path


def content(*, seed: int = SEED, vintage: str = "2023") -> bytes:
    rows = list(_rows(random.Random(seed), vintage))
    if vintage == "2026":
        header = [_CHANGED_IN_2026.get(label, label) for label in _LABELS_2023]
        rows.sort(key=lambda row: str(row[0]))  # as text, like the real one
        lines = [_line(header, ",")] + [_line([_spreadsheet(cell) for cell in row], ",") for row in rows]
        return "\r\n".join(lines).encode()
    lines = [_line(_LABELS_2023, ";")] + [_line([str(cell) for cell in row], ";") for row in rows]
    return b"\xef\xbb\xbf\xef\xbb\xbf" + ("\r\n".join(lines) + "\r\n").encode()


def _line(cells: list[str], delimiter: str) -> str:
    quoted = (
        '"' + cell.replace('"', '""') + '"' if delimiter in cell or '"' in cell else cell for cell in map(str, cells)
    )
    return delimiter.join(quoted)


def _spreadsheet(cell: Any) -> str:
    if isinstance(cell, int):
        return f"{cell}.0"
    return cell.lstrip("0") if cell.isdigit() and len(cell) == 10 else cell


def _rows(dice: random.Random, vintage: str) -> Iterator[list[Any]]:
    authorities = _authorities(dice)
    site = _FIRST_SITE
    shared: dict[int, int] = {}  # a PO's site that several of its establishments share
    places: dict[int, Place] = {}
    fase = _FIRST_EC
    for rank in range(ESTABLISHMENTS):
        authority = authorities[rank % AUTHORITIES if rank < 2 * AUTHORITIES else dice.randrange(AUTHORITIES // 4)]
        name, taught = _school(dice, rank, authority, vintage)
        if authority.fase == _SAME_NUMBER and rank < AUTHORITIES:
            number = _SAME_NUMBER
        else:
            number, fase = fase, fase + dice.choice((1, 1, 1, 2, 3))
            if number == _SAME_NUMBER:
                number, fase = fase, fase + 1
        main = _place(dice, authority.seat.municipality, authority.seat.postal_code)
        sites = []
        for nth in range(dice.choice((1, 1, 1, 1, 2, 2, 3, 6))):
            if nth == 1 and authority.fase in shared and dice.random() < 0.5:
                sites.append(shared[authority.fase])
                continue
            sites.append(site)
            places[site] = main if nth == 0 else _place(dice, authority.seat.municipality, authority.seat.postal_code)
            shared.setdefault(authority.fase, site)
            site += dice.choice((1, 1, 2))
        bce = "" if rank == 17 else _bce(dice, "9")
        for at in dict.fromkeys(sites):
            latitude, longitude = (
                ("", "") if rank == 23 else (f"{dice.uniform(10, 11):.7f}", f"{dice.uniform(-30, -29):.7f}")
            )  # in the Atlantic
            where = places[at]
            for kind, level, genre in taught if at == sites[0] else taught[:1]:
                yield [
                    number, name, bce, kind, level, genre, authority.network, *main, *authority.area,
                    at, *where, latitude, longitude,
                    authority.fase, authority.name, authority.bce, *authority.seat,
                    f"{latitude}, {longitude}" if latitude else "",
                ]  # fmt: skip


def _authorities(dice: random.Random) -> list[Authority]:
    towns = [f"{stem}{end}" for end in _ENDS for stem in _STEMS]
    dice.shuffle(towns)
    towns.insert(0, "Valfictive")
    found = []
    for rank in range(AUTHORITIES):
        town = towns[rank % 60]
        seat = _place(dice, town, f"{100 + rank % 60 * 7:04d}")
        match rank % 10:
            case 0 | 1 | 2 | 3:
                name, network = f"Commune de {town}", "Subventionné communal"
            case 4 | 5 | 6:
                saint = dice.choice(_SAINTS)
                name, network = f"ASBL fictive École {saint} de {town}", "Libre confessionnel"
            case 7:
                name, network = f'"Les  Inventifs" ASBL fictive de {town}', "Libre non confessionnel"
            case 8:
                name, network = f"Province fictive de {town}", "Subventionné provincial"
            case _:
                name, network = f"Pouvoir organisateur fictif de {town}", "WBE"
        if rank == 14:
            name = (
                f"Association sans but lucratif fictive pour la promotion et l'organisation de l'enseignement libre "
                f"confessionnel maternel et primaire à {town}"
            )
        fase = _SAME_NUMBER if rank == 0 else _FIRST_PO + 3 * rank
        if rank and fase == _SAME_NUMBER:
            fase += 1
        found.append(Authority(fase, name, network, _bce(dice, "0999"), seat, _ZONES[rank % len(_ZONES)]))
    return found


def _school(
    dice: random.Random, rank: int, authority: Authority, vintage: str
) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    town = authority.seat.municipality
    if rank % 100 in (97, 98, 99):
        kind = _HIGHER[rank % 100 - 97]
        return f"{kind} fictive de {town}", ((kind, "Supérieur", "Ordinaire"),)
    match dice.randrange(20):
        case 0 | 1:
            return f'Athénée "{dice.choice(_STEMS)} imaginaire" de {town}', _SECONDARY
        case 2:
            return f"INSTITUT TECHNIQUE FICTIF {dice.choice(_SAINTS).upper()}", _CEFA
        case 3:
            return f"Centre scolaire fictif {dice.choice(_SAINTS)}", _MIXED
        case 4 | 5:
            return f"École fictive d'enseignement spécialisé {dice.choice(_STEMS)}", _SPECIAL
        case 6:
            return f'"L\'Académie rêvée" de {town}', _ARTS
        case 7 | 8:
            return f"Cours  fictifs pour adultes de {town}", _ADULTS[vintage]
        case 9 | 10:
            return "Ecole fondamentale communale fictive", _FUNDAMENTAL  # borne by many, as in the real one
        case 11:
            return f"ECOLE MATERNELLE FICTIVE {dice.choice(_SAINTS).upper()}", _FUNDAMENTAL[:1]
        case 12:
            return f"École primaire « Les Cœurs inventés » de {town}", _FUNDAMENTAL[1:]
        case _:
            return f"Ecole fondamentale fictive {dice.choice(_SAINTS)} de {town}", _FUNDAMENTAL


def _place(dice: random.Random, town: str, postal_code: str) -> Place:
    street = f"{dice.choice(_WAYS)} {dice.choice(_WAY_NAMES)} {dice.randint(1, 240)}"
    plain = str.maketrans("éêèÉç", "EEEEC")
    return Place(street, postal_code, town.translate(plain).upper(), town)


def _bce(dice: random.Random, prefix: str) -> str:
    """Ten digits whose check number (97 less the first eight modulo 97) is wrong: no enterprise can have it."""
    eight = prefix + "".join(str(dice.randrange(10)) for _ in range(8 - len(prefix)))
    right = 97 - int(eight) % 97
    return f"{eight}{(right + 1) % 97:02d}"


def extra_units() -> list[Organisation]:
    """Units of every type that the public register lacks, to be given to `register.add_by_hand`, as staff would.

    Some depend on a PO of the sample, if it is there.
    """
    valley = {"postal_code": "0100", "locality": "VALFICTIVE", "municipality": "Valfictive"}
    authority = Organisation.objects.pos().filter(fase=_SAME_NUMBER).first()
    units = [
        ("CPMS", "Centre psycho-médico-social fictif de Valfictive", "WBE", None),
        ("CPMS", "Centre PMS libre fictif Sainte-Fable", "Libre confessionnel", None),
        ("Service PSE", "Service fictif de promotion de la santé à l'école de Valfictive", "", None),
        ("Internat", "Internat fictif de Valfictive", "Subventionné communal", authority),
        ("Home d'accueil", "Home d'accueil fictif Les Lucioles", "WBE", None),
        ("CTA", "Centre de technologies avancées fictif de Valfictive", "Subventionné communal", authority),
        ("CAF", "Centre d'autoformation fictif de Valfictive", "WBE", None),
        ("CDPA", "Centre de dépaysement et de plein air fictif du Grand Songe", "WBE", None),
    ]
    return [
        Organisation(
            kind=Organisation.Kind.EC,
            fase=98_901 + rank,
            name=name,
            network=network,
            unit_types=[kind],
            po=po,
            **valley,
        )
        for rank, (kind, name, network, po) in enumerate(units)
    ]
