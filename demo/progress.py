"""A progress bar on standard error: one line that moves in a terminal, a line a month elsewhere."""

import sys
from datetime import date

from django.utils.formats import date_format

WIDTH = 30


class Bar:
    def __init__(self) -> None:
        self.moving = sys.stderr.isatty()
        self.month: tuple[int, int] | None = None

    def __call__(self, day: date, sent: int, total: int) -> None:
        filled = WIDTH * sent // total if total else WIDTH
        words = f"{date_format(day, 'D j M Y'):>18}  {'█' * filled}{'·' * (WIDTH - filled)}  {sent}/{total} courriels"
        if self.moving:
            sys.stderr.write(f"\r{words}  ")
        elif self.month != (day.year, day.month):
            sys.stderr.write(words + "\n")
        self.month = (day.year, day.month)
        sys.stderr.flush()

    def close(self) -> None:
        if self.moving:
            sys.stderr.write("\n")
