"""The months and the days by their names. Django's own are looked up in its translations at each use."""

MONTHS = (
    "", "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip  # by number: 1 is January
WEEKDAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")  # as date.weekday() counts
