"""The holidays of the schools of the Fédération Wallonie-Bruxelles, school year by school year, with their source.

What a new database begins with; staff add the years that follow among the periods to avoid. Summer holidays go from
the day after the last day of a school year to the eve of the next one.
"""

from datetime import date
from typing import Any

SOURCE = "calendrier scolaire de la Fédération Wallonie-Bruxelles"
# Each school year: its first and last day (Brussels days), its holidays (name, first day, last day)
YEARS: dict[str, tuple[date, date, tuple[tuple[str, date, date], ...]]] = {
    "2023-2024": (
        date(2023, 8, 28),
        date(2024, 7, 5),
        (
            ("Congé d’automne", date(2023, 10, 23), date(2023, 11, 3)),
            ("Vacances d’hiver", date(2023, 12, 25), date(2024, 1, 5)),
            ("Congé de détente", date(2024, 2, 26), date(2024, 3, 8)),
            ("Vacances de printemps", date(2024, 4, 29), date(2024, 5, 10)),
        ),
    ),
    "2024-2025": (
        date(2024, 8, 26),
        date(2025, 7, 4),
        (
            ("Congé d’automne", date(2024, 10, 21), date(2024, 11, 1)),  # S4 names these days
            ("Vacances d’hiver", date(2024, 12, 23), date(2025, 1, 3)),
            ("Congé de détente", date(2025, 2, 24), date(2025, 3, 7)),
            ("Vacances de printemps", date(2025, 4, 28), date(2025, 5, 9)),
        ),
    ),
    "2025-2026": (
        date(2025, 8, 25),
        date(2026, 7, 3),
        (
            ("Congé d’automne", date(2025, 10, 20), date(2025, 10, 31)),
            ("Vacances d’hiver", date(2025, 12, 22), date(2026, 1, 2)),
            ("Congé de détente", date(2026, 2, 16), date(2026, 2, 27)),
            ("Vacances de printemps", date(2026, 4, 27), date(2026, 5, 8)),
        ),
    ),
}
SUMMERS = (
    ("Vacances d’été", date(2024, 7, 6), date(2024, 8, 25)),
    ("Vacances d’été", date(2025, 7, 5), date(2025, 8, 24)),
)


def install(avoided_period: Any) -> None:
    """Write the holidays into that model's table; those that are there already stay as they are."""
    for first, last, name, year in holidays():
        avoided_period.objects.get_or_create(
            reason="school", kind="ec", first=first, last=last, defaults={"name": name, "source": f"{SOURCE} {year}"}
        )


def holidays() -> list[tuple[date, date, str, str]]:
    """First day, last day, name, school year; in order."""
    found = [
        (first, last, f"{name} {year}", year)
        for year, (_start, _end, of_year) in YEARS.items()
        for name, first, last in of_year
    ]
    found += [(first, last, f"{name} {first.year}", f"{first.year - 1}-{first.year}") for name, first, last in SUMMERS]
    return sorted(found)
