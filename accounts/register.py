"""From a register that was read to the units that are stored: first the difference, then its application.

Absent is not deleted, a fact in dispute keeps its stored value, a unit added by staff is never marked absent. A new
number whose very name is in dispute is not created. The same register a second time writes nothing at all.

The register is compared in memory and applied in a fixed number of statements, whatever the number of rows: each
statement is given its rows as one JSON parameter.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from accounts.addresses import EC, PO, address_of
from accounts.fase import Register, Unit, collector_paused
from accounts.models import Mailbox, Organisation, OrganisationChange, RegisterImport, Site, SitePlacement, User
from accounts.models.organisations import search_key
from bma_portal.clock import brussels_date
from bma_portal.errors import Refusal

Field = OrganisationChange.Field

FACTS = (
    "name",
    "network",
    "bce",
    "address",
    "postal_code",
    "locality",
    "municipality",
    "zone",
    "district",
    "po",
    "unit_types",
    "levels",
)
SITE_FACTS = ("address", "postal_code", "locality", "municipality")
LARGEST_DISAPPEARANCE = 0.05  # of the units of one kind (SEC-L5)
_LOCK = 0x46415345  # « FASE »: one import at a time, whatever process runs it


class Change(NamedTuple):
    """One fact of one unit. `name` is there to be shown."""

    kind: str
    fase: int
    name: str
    field: str
    old: str
    new: str

    @property
    def number(self) -> str:
        return f"{self.kind.upper()} {self.fase:06d}"


@dataclass
class Difference:
    """What the register would change. `units`, `sites` and placements are the rows to write."""

    register: Register
    date: date
    known: dict[str, int]  # units of the register that were not absent, by kind
    changes: list[Change] = field(default_factory=list)
    units: list[dict[str, Any]] = field(default_factory=list)
    sites: list[dict[str, Any]] = field(default_factory=list)
    placed: list[dict[str, int]] = field(default_factory=list)
    displaced: list[dict[str, int]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.units or self.sites or self.placed or self.displaced)

    def of(self, *fields: str) -> list[Change]:
        return [change for change in self.changes if change.field in fields]

    def counts(self) -> dict[str, int]:
        """The summary for machines."""
        register = self.register
        apart = {Field.CREATED, Field.ABSENT, Field.RETURNED}
        return {
            "rows": register.rows,
            "establishments": len(register.establishments),
            "pos": len(register.pos),
            "sites": len(register.sites),
            "created": len(self.of(Field.CREATED)),
            "changed": len({change[:2] for change in self.changes if change.field not in apart}),
            "renamed": len(self.of(Field.NAME)),
            "moved": len(self.of(Field.PO)),
            "absent": len(self.of(Field.ABSENT)),
            "returned": len(self.of(Field.RETURNED)),
            "sites_changed": len(self.sites),
            "rejected": len(register.rejected),
            "conflicts": len(register.conflicts),
        }

    def refuse_mass_disappearance(self) -> None:
        """A truncated file must not empty the directory: beyond 5 % of one kind, a person has to confirm."""
        absent = self.of(Field.ABSENT)
        for kind, plural in ((EC, "établissements"), (PO, "pouvoirs organisateurs")):
            missing = sum(change.kind == kind for change in absent)
            if missing > LARGEST_DISAPPEARANCE * self.known.get(kind, 0):
                raise Refusal(
                    f"{missing} des {self.known[kind]} {plural} connus manquent dans ce fichier, soit plus de 5 % : "
                    "est-il complet ? Si oui, relancez avec --accept-absences. Rien n’a été modifié."
                )


@collector_paused()
def difference(register: Register, *, at: datetime, on: date | None = None) -> Difference:
    """Compare with what is stored; three queries, nothing written. `on` is the register's date, by default `at`'s."""
    stored: dict[str, dict[int, tuple[Any, ...]]] = {EC: {}, PO: {}}
    known = {EC: 0, PO: 0}
    columns = ("po__fase" if name == "po" else name for name in FACTS)
    for row in Organisation.objects.order_by().values_list("kind", "fase", *columns, "origin", "absent_since"):
        stored[row[0]][row[1]] = row
        if row[-1] is None and row[-2] == Organisation.Origin.REGISTER:
            known[row[0]] += 1
    found = Difference(register, on or brussels_date(at), known)
    placements: dict[int, list[int]] = {}
    pairs = SitePlacement.objects.order_by("establishment__fase", "site__fase")
    for establishment, site in pairs.values_list("establishment__fase", "site__fase"):
        placements.setdefault(establishment, []).append(site)
    _compare_sites(found, {row[0]: row for row in Site.objects.order_by().values_list("fase", *SITE_FACTS)})
    pos_to_be = stored[PO].keys() | {fase for fase, unit in register.pos.items() if unit.name is not None}
    nowhere: list[int] = []
    for unit in register.units():
        row = stored[unit.kind].get(unit.fase)
        sites = placements.get(unit.fase, nowhere) if unit.kind == EC else nowhere
        if row is not None and row[2:] == (*unit[2:14], "register", None) and unit.sites == sites:
            continue
        _compare_unit(found, unit, row, sites, pos_to_be)
    _find_absent(found, stored)
    return found


def _compare_unit(
    found: Difference, unit: Unit, row: tuple[Any, ...] | None, sites: list[int], pos_to_be: Iterable[int]
) -> None:
    register = found.register
    new = dict(zip(FACTS, unit[2:14], strict=True))
    if new["po"] not in pos_to_be:
        new["po"] = None  # its PO has no undisputed name yet
    placed = unit.sites
    if row is None:
        if unit.name is None:
            return
        empty: dict[str, Any] = {"po": None, "unit_types": [], "levels": []}
        facts = {name: empty.get(name, "") if value is None else value for name, value in new.items()}
        found.changes.append(Change(unit.kind, unit.fase, facts["name"], Field.CREATED, "", facts["name"]))
    else:
        old = dict(zip(FACTS, row[2:14], strict=True))
        if (unit.kind, unit.fase) in register.mentioned:
            # Some of its rows could not be read: what they held is not known to be gone.
            new |= {
                name: sorted({*old[name], *new[name]}) for name in ("unit_types", "levels") if new[name] is not None
            }
            placed = sorted({*sites, *placed}) if placed is not None else None
        facts = {name: old[name] if value is None else value for name, value in new.items()}
        say = [Change(unit.kind, unit.fase, facts["name"], Field.RETURNED, str(row[15]), "")] if row[15] else []
        if row[14] != "register":
            say.append(Change(unit.kind, unit.fase, facts["name"], Field.ORIGIN, row[14], "register"))
        say += (
            Change(unit.kind, unit.fase, facts["name"], name, _written(old[name]), _written(facts[name]))
            for name in FACTS
            if facts[name] != old[name]
        )
        if placed is not None and placed != sites:
            say.append(Change(unit.kind, unit.fase, facts["name"], Field.SITES, _written(sites), _written(placed)))
        found.changes += say
        if all(change.field == Field.SITES for change in say):
            _place(found, unit.fase, sites, placed)
            return
    found.units.append(_row(unit.kind, unit.fase, facts, absent_since=None))
    _place(found, unit.fase, sites, placed)


def _place(found: Difference, establishment: int, old: list[int], new: list[int] | None) -> None:
    if new is not None and new != old:
        found.placed += ({"site": site, "establishment": establishment} for site in new if site not in old)
        found.displaced += ({"site": site, "establishment": establishment} for site in old if site not in new)


def _compare_sites(found: Difference, stored: dict[int, tuple[Any, ...]]) -> None:
    for fase, site in found.register.sites.items():
        old = stored.get(fase)
        if old == site:
            continue
        kept = old or (fase, "", "", "", "")
        new = tuple(before if value is None else value for before, value in zip(kept, site, strict=True))
        if new != old:
            found.sites.append(dict(zip(("fase", *SITE_FACTS), new, strict=True)))


def _find_absent(found: Difference, stored: dict[str, dict[int, tuple[Any, ...]]]) -> None:
    register = found.register
    spared = set(register.mentioned)
    # A row that could not be read hides its PO as well.
    spared |= {(PO, stored[EC][fase][11]) for kind, fase in register.mentioned if kind == EC and fase in stored[EC]}
    for kind, present in ((PO, register.pos), (EC, register.establishments)):
        for fase, row in stored[kind].items():
            if fase in present or row[14] != "register" or row[15] is not None or (kind, fase) in spared:
                continue
            found.changes.append(Change(kind, fase, row[2], Field.ABSENT, "", str(found.date)))
            facts = dict(zip(FACTS, row[2:14], strict=True))
            found.units.append(_row(kind, fase, facts, absent_since=str(found.date)))


def _row(kind: str, fase: int, facts: dict[str, Any], *, absent_since: str | None) -> dict[str, Any]:
    key = search_key(facts["name"], facts["municipality"], facts["locality"])
    return {"kind": kind, "fase": fase, **facts, "absent_since": absent_since, "search_key": key}


def _written(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)


def apply(
    register: Register,
    *,
    at: datetime,
    on: date | None = None,
    accept_absences: bool = False,
    file_name: str = "",
) -> Difference:
    """Bring what is stored into line with the register, all or nothing; return what changed.

    One import at a time: the second one waits, then compares with what the first one left. Raises Refusal when too
    many units would disappear.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        found = difference(register, at=at, on=on)
        if not accept_absences:
            found.refuse_mass_disappearance()
        if found:
            _write(cursor, found, at=at, file_name=file_name)
    return found


def _write(cursor, found: Difference, *, at: datetime, file_name: str) -> None:
    names = {
        "organisation": Organisation._meta.db_table,
        "mailbox": Mailbox._meta.db_table,
        "site": Site._meta.db_table,
        "placement": SitePlacement._meta.db_table,
        "change": OrganisationChange._meta.db_table,
    }
    done = RegisterImport.objects.create(
        file_name=file_name[:255],
        sha256=found.register.sha256,
        date=found.date,
        imported_at=at,
        counts=found.counts(),
    )

    def run(statement: str, rows: list[Any], *parameters: Any) -> None:
        if rows:
            cursor.execute(statement.format(**names), [json.dumps(rows, ensure_ascii=False), *parameters])

    for kind in (PO, EC):  # an establishment points to its PO's row
        run(_UNITS, [unit for unit in found.units if unit["kind"] == kind])
    run(
        _MAILBOXES,
        [
            {"kind": change.kind, "fase": change.fase, "address": address_of(change.kind, change.fase)}
            for change in found.of(Field.CREATED)
        ],
    )
    run(_SITES, found.sites)
    run(_DISPLACE, found.displaced)
    run(_PLACE, found.placed)
    run(_HISTORY, [change._asdict() | {"rank": rank} for rank, change in enumerate(found.changes)], at, done.pk)


_UNITS = """
    INSERT INTO {organisation} (
        kind, fase, name, network, bce, address, postal_code, locality, municipality, zone, district,
        po_id, unit_types, levels, origin, absent_since, search_key, phone, phone_source, phone_recorded_by
    )
    SELECT given.kind, given.fase, given.name, given.network, given.bce, given.address, given.postal_code,
           given.locality, given.municipality, given.zone, given.district,
           authority.id, given.unit_types, given.levels, 'register', given.absent_since, given.search_key,
           '', '', ''
    FROM json_to_recordset(%s) AS given (
        kind text, fase integer, name text, network text, bce text, address text, postal_code text, locality text,
        municipality text, zone text, district text, po integer, unit_types text[], levels text[],
        absent_since date, search_key text
    )
    LEFT JOIN {organisation} authority ON authority.kind = 'po' AND authority.fase = given.po
    ON CONFLICT (kind, fase) DO UPDATE SET
        name = excluded.name, network = excluded.network, bce = excluded.bce, address = excluded.address,
        postal_code = excluded.postal_code, locality = excluded.locality, municipality = excluded.municipality,
        zone = excluded.zone, district = excluded.district, po_id = excluded.po_id,
        unit_types = excluded.unit_types, levels = excluded.levels, origin = excluded.origin,
        absent_since = excluded.absent_since, search_key = excluded.search_key
"""

_MAILBOXES = """
    INSERT INTO {mailbox} (organisation_id, address)
    SELECT unit.id, given.address
    FROM json_to_recordset(%s) AS given (kind text, fase integer, address text)
    JOIN {organisation} unit ON unit.kind = given.kind AND unit.fase = given.fase
    ON CONFLICT (organisation_id) DO NOTHING
"""

_SITES = """
    INSERT INTO {site} (fase, address, postal_code, locality, municipality)
    SELECT * FROM json_to_recordset(%s) AS given (
        fase integer, address text, postal_code text, locality text, municipality text
    )
    ON CONFLICT (fase) DO UPDATE SET
        address = excluded.address, postal_code = excluded.postal_code, locality = excluded.locality,
        municipality = excluded.municipality
"""

_DISPLACE = """
    DELETE FROM {placement} placement
    USING json_to_recordset(%s) AS given (site integer, establishment integer), {site} site, {organisation} unit
    WHERE site.fase = given.site AND unit.kind = 'ec' AND unit.fase = given.establishment
      AND placement.site_id = site.id AND placement.establishment_id = unit.id
"""

_PLACE = """
    INSERT INTO {placement} (site_id, establishment_id)
    SELECT site.id, unit.id
    FROM json_to_recordset(%s) AS given (site integer, establishment integer)
    JOIN {site} site ON site.fase = given.site
    JOIN {organisation} unit ON unit.kind = 'ec' AND unit.fase = given.establishment
    ON CONFLICT DO NOTHING
"""

_HISTORY = """
    INSERT INTO {change} (organisation_id, field, old, new, at, register_import_id)
    SELECT unit.id, given.field, given.old, given.new, moment.at, moment.import_id
    FROM json_to_recordset(%s) AS given (
        kind text, fase integer, field text, old text, new text, rank integer
    )
    CROSS JOIN (SELECT %s::timestamptz AS at, %s::bigint AS import_id) moment
    JOIN {organisation} unit ON unit.kind = given.kind AND unit.fase = given.fase
    ORDER BY given.rank
"""


@transaction.atomic
def add_by_hand(unit: Organisation, *, at: datetime, by: User | None = None) -> Organisation:
    """A unit that the public register lacks (CPMS, internat, home d’accueil, CTA…), and the address that follows."""
    unit.origin = Organisation.Origin.STAFF
    unit.save()
    Mailbox.objects.create(organisation=unit, address=address_of(unit.kind, unit.fase))
    unit.changes.create(field=Field.CREATED, new=unit.name, at=at, by=by)
    return unit


@transaction.atomic
def change_by_hand(unit: Organisation, fields: Iterable[str], *, at: datetime, by: User | None = None) -> None:
    """Save what a person changed, and keep what it was."""
    before = Organisation.objects.select_related("po", "successor").get(pk=unit.pk)
    unit.save()
    for name in fields:
        if name in Field.values:
            unit.changes.create(
                field=name, old=_by_hand(getattr(before, name)), new=_by_hand(getattr(unit, name)), at=at, by=by
            )


def _by_hand(value: Any) -> str:
    return str(value.fase) if isinstance(value, Organisation) else _written(value)
