"""What a plan cannot keep, proved rule by rule, in French: the earliest night possible, and what forbids a better one.

Each rule is added to those before it: the spacings alone, then weekends, public holidays, days to avoid, and the order
of POs and establishments. Where one of them moves the first night beyond its announced window, that is a finding.
"""

from collections.abc import Callable, Iterator
from datetime import date, timedelta

from bma_portal.clock import is_public_holiday, is_working_day
from migration.calendar import DAY, Calendar, any_day, is_weekday
from migration.laying_out import Finding, Layout, PlannedBatch, Weeks, slot
from migration.plan_settings import Settings

# What a person reads for each rule, and the documents that make it one
RULES = {
    "spacing": ("délais entre les mails", "S1 §5 ; S4"),
    "working_day": ("jours ouvrés", "S0 §7 ; S4"),
    "public_holiday": ("jour férié", "S0 §7 ; S1 §5 ; S4"),
    "avoided_days": ("jours à éviter", "S4"),
    "order": ("les PO avant les établissements", "S4"),
    "capacity": ("capacité par semaine", "S1 §4 ; S1 §8"),
    "window": ("période annoncée", "S1 §8"),
    "closing": ("fermeture de l’ancien serveur", "S3 §3 ; S1 §4 et §5"),
    "school_calendar": ("calendrier inconnu", "S4"),
}
NAMES = {"po": "PO", "ec": "Établissements"}
SIGN = "une décision signée est attendue."


def label(rule: str) -> str:
    return RULES[rule][0]


def days(count: int) -> str:
    return f"{count} jour" if count == 1 else f"{count} jours"


def lots(count: int) -> str:
    return "1 lot" if count == 1 else f"{count} lots"


def day(of: date) -> str:
    return f"{of:%d/%m/%Y}"


class Findings:
    """The findings of one plan; asked of each kind before its weeks are taken."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        self.settings, self.layout = settings, layout

    def of_kind(self, kind: str, count: int, start: date, weeks: Weeks) -> list[Finding]:
        batches = [batch for batch, _ in weeks.lots]
        found = list(self._first_mails(kind, start, batches))
        found += self._nights(kind, start, batches)
        found += self._capacity(kind, count, start, weeks)
        found += self._order(kind, batches)
        found += self._closing(kind, batches)
        found += self._school(kind, batches)
        return found

    def _finding(self, rule: str, kind: str, earliest: date, text: str, source: str = "") -> Finding:
        return Finding(rule, source or RULES[rule][1], kind, earliest, f"{NAMES[kind]} : {text} : {SIGN}")

    # The window of the first mails (S1 §8)

    def _first_mails(self, kind: str, start: date, batches: list[PlannedBatch]) -> Iterator[Finding]:
        first, last = self.settings.first_mails(kind)
        mail1 = batches[0].mail1_on
        if mail1 <= last:
            return
        beyond = f"le premier mail du premier lot part le {day(mail1)}, {days((mail1 - last).days)} après elle"
        if start > last:
            yield self._finding(
                "window",
                kind,
                mail1,
                f"la période du premier mail (jusqu’au {day(last)}, S1 §8) est passée pour {lots(len(batches))} : les "
                f"boîtes restent à planifier et {beyond}",
            )
            return
        window = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        calendar = self.layout.calendar
        if not any(map(is_weekday, window)):
            rule, why = "working_day", "ne compte que des jours de week-end (S0 §7)"
        elif not any(map(is_working_day, window)):
            rule, why = "public_holiday", "ne compte que des jours fériés et des week-ends (S0 §7)"
        elif not any(calendar.may_announce(of, kind) for of in window):
            rule, why = "avoided_days", f"ne compte que des jours à éviter (S4 : {self._periods(kind, first, last)})"
        else:
            rule, why = "spacing", "n’a pas de jour d’où les délais entre les mails mènent à un jour ouvré (S1 §5)"
        text = f"la période du premier mail, du {day(first)} au {day(last)} (S1 §8), {why} ; {beyond}"
        yield self._finding(rule, kind, mail1, text, f"{RULES[rule][1]} ; S1 §8".replace(" ; S4 ; S1 §8", " ; S1 §8"))

    # The window of the nights (S4)

    def _nights(self, kind: str, start: date, batches: list[PlannedBatch]) -> Iterator[Finding]:
        _, until = self.settings.nights(kind)
        if until is None:
            return
        outside = sum(batch.night_on > until for batch in batches)
        steps: list[tuple[str, Callable[[date], bool], bool, bool]] = [
            ("spacing", any_day, False, False),
            ("working_day", is_weekday, False, False),
            ("public_holiday", is_working_day, False, False),
            ("avoided_days", is_working_day, True, False),
            ("order", is_working_day, True, True),
        ]
        before: date | None = None
        for rule, works, avoided, order in steps:
            calendar = Calendar(self.settings.avoided if avoided else (), works=works)
            earliest = self.earliest(kind, start, calendar, order=order)
            if earliest > until and (before is None or earliest > before):
                yield self._finding(
                    rule, kind, earliest, self._why(rule, kind, start, before, earliest, (outside, len(batches)))
                )
            before = earliest

    def earliest(self, kind: str, start: date, calendar: Calendar, *, order: bool = False) -> date:
        """The first night that these days allow after a first mail on that day or later."""
        mail1 = calendar.announcement(start, kind)
        found = slot(self.settings, calendar, mail1)
        while found is None:
            mail1 = calendar.announcement(mail1 + DAY, kind)
            found = slot(self.settings, calendar, mail1)
        opens, _ = self.settings.nights(kind)
        floor = self.layout.floor[kind] if order else None
        bounds = (found.mail3 + timedelta(days=self.settings.night_after_days), opens, floor)
        return calendar.night(max(bound for bound in bounds if bound is not None), kind)

    def _why(self, rule: str, kind: str, start: date, before: date | None, earliest: date, of: tuple[int, int]) -> str:
        (outside, total), (_, until) = of, self.settings.nights(kind)
        assert until is not None
        over = (
            f"au {day(earliest)}, {days((earliest - until).days)} après la fin annoncée des nuits ({day(until)}, S4), "
            f"que {lots(outside)} sur {total} {'dépassent' if outside > 1 else 'dépasse'}"
        )
        if rule == "spacing":
            return f"les délais entre les mails (S1 §5), à eux seuls, mettent la première nuit {over}"
        assert before is not None
        later = (earliest - before).days
        more = "d’un jour" if later == 1 else f"de {later} jours"
        cause = {
            "working_day": lambda: "les week-ends, où le Service Desk est fermé (S0 §7), repoussent",
            "public_holiday": lambda: self._holidays(kind, start, earliest),
            "avoided_days": lambda: f"les jours à éviter (S4 : {self._periods(kind, start, earliest)}) repoussent",
            "order": lambda: "la dernière nuit des PO, qui passent d’abord (S4), repousse",
        }[rule]()
        return f"{cause} encore {more} la première nuit, {over}"

    def _holidays(self, kind: str, start: date, earliest: date) -> str:
        """The public holidays without which the first night would be earlier."""
        span = [start + timedelta(days=n) for n in range((earliest - start).days + 2)]
        all_of_them = [of for of in span if is_weekday(of) and is_public_holiday(of)]

        def without(one: date) -> date:
            return self.earliest(kind, start, Calendar(works=lambda of: of == one or is_working_day(of)))

        named = [of for of in all_of_them if without(of) < earliest] or all_of_them
        if len(named) == 1:
            return f"le jour férié du {day(named[0])} (S0 §7), où aucun mail ne part, repousse"
        return f"les jours fériés ({', '.join(map(day, named))}, S0 §7), où aucun mail ne part, repoussent"

    def _periods(self, kind: str, first: date, last: date) -> str:
        names = [
            period.name or f"du {day(period.first)} au {day(period.last)}"
            for period in self.settings.avoided
            if period.kind in ("", kind) and period.first <= last and period.last >= first
        ]
        return ", ".join(dict.fromkeys(names))

    # Capacity (S1 §4)

    def _capacity(self, kind: str, count: int, start: date, weeks: Weeks) -> Iterator[Finding]:
        limit = self.settings.capacity
        if limit is None or not weeks.late:
            return
        free = self.layout.best(kind, count, start, capacity=False)
        if all(ours <= best for ours, best in zip(self._beyond(kind, weeks), self._beyond(kind, free), strict=True)):
            return  # it would be as late without this limit
        outside = sum(any(beyond) for beyond in self._each(kind, weeks))
        yield self._finding(
            "capacity",
            kind,
            weeks.last_night,
            f"à {limit} boîtes par semaine au plus (S1 §4), {count} boîtes demandent {lots(len(weeks.lots))} ; "
            f"{lots(outside)} sur {len(weeks.lots)} sort{'ent' if outside > 1 else ''} des périodes annoncées "
            f"(S1 §8 ; S4) et tout peut être fini la nuit du {day(weeks.last_night)}",
        )

    def _each(self, kind: str, weeks: Weeks) -> Iterator[tuple[bool, bool, bool]]:
        """Of each batch: is it beyond the window of the first mails, that of the nights, the closing?"""
        last = self.settings.first_mails(kind)[1]
        _, until = self.settings.nights(kind)
        for batch, _ in weeks.lots:
            after = until is not None and batch.night_on > until
            yield batch.mail1_on > last, after, batch.night_on >= self.settings.old_server_closes_on

    def _beyond(self, kind: str, weeks: Weeks) -> list[int]:
        """How many mailboxes are beyond each of the three."""
        sizes = [size for _, size in weeks.lots]
        return [
            sum(size for size, out in zip(sizes, beyond, strict=True) if out)
            for beyond in zip(*self._each(kind, weeks), strict=True)
        ]

    # POs first

    def _order(self, kind: str, batches: list[PlannedBatch]) -> Iterator[Finding]:
        begun = self.layout.first_night_of_establishments
        if kind != "po" or begun is None:
            return
        after = [batch for batch in batches if batch.night_on >= begun]
        if after:
            yield self._finding(
                "order",
                kind,
                after[0].night_on,
                f"{lots(len(after))} migre{'nt' if len(after) > 1 else ''} après la première nuit des établissements "
                f"({day(begun)}), dont le lot reste tel qu’il est, alors que les PO passent d’abord (S4)",
            )

    # The closing of the old server, and what no calendar says

    def _closing(self, kind: str, batches: list[PlannedBatch]) -> Iterator[Finding]:
        closes = self.settings.old_server_closes_on
        after = [batch for batch in batches if batch.night_on >= closes]
        if after:
            last = max(batch.night_on for batch in after)
            yield self._finding(
                "closing",
                kind,
                last,
                f"{lots(len(after))} sur {len(batches)} migre{'nt' if len(after) > 1 else ''} après la fermeture de "
                f"l’ancien serveur, le {day(closes)} (S3 §3), avec les délais (S1 §5) et la capacité (S1 §4) donnés ; "
                f"la dernière nuit est le {day(last)}",
            )

    def _school(self, kind: str, batches: list[PlannedBatch]) -> Iterator[Finding]:
        if kind != "ec":
            return
        unknown: dict[str, date] = {}
        for of in sorted({of for batch in batches for of in (batch.mail1_on, batch.night_on)}):
            year = self.layout.calendar.unknown_year(of)
            if year:
                unknown.setdefault(year, of)
        for year, first in unknown.items():
            yield self._finding(
                "school_calendar",
                kind,
                first,
                f"calendrier inconnu, aucun congé scolaire de {year} n’est encodé et le plan y prévoit des dates à "
                f"partir du {day(first)}, alors que les congés sont à éviter (S4)",
            )
