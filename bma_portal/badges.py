"""One way to show a state on the staff's pages: a word, and a tone that only repeats it."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

GOOD, WAITING, BAD, NEUTRAL = "good", "waiting", "bad", "neutral"


def badge(word: str, tone: str = NEUTRAL) -> SafeString:
    return format_html('<span class="badge badge-{}">{}</span>', tone, word)
