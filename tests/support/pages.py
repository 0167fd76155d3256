"""What a visitor reads of a page: its words, its links, its title."""

import re
from html.parser import HTMLParser

FULL_ADDRESS = re.compile(r"(ec|po)[0-9]{6}@adm\.cfwb\.be", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.headings: list[str] = []
        self.hidden = 0

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.hidden += tag in {"script", "style", "title"}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if found.get("id"):
            self.ids.append(found["id"])
        if tag == "h1":
            self.headings.append("")
        self.words.append(" ")

    def handle_endtag(self, tag):
        self.hidden -= tag in {"script", "style", "title"}
        self.words.append(" ")

    def handle_data(self, data):
        if not self.hidden:
            self.words.append(data)


class Page:
    """`Page(response)`: the words with one space between them, no-break spaces read as spaces."""

    def __init__(self, response) -> None:
        self.status = response.status_code
        self.html = response.content.decode()
        reader = _Reader()
        reader.feed(self.html)
        self.text = re.sub(r"\s+", " ", "".join(reader.words).replace("\N{NO-BREAK SPACE}", " "))
        self.text = re.sub(r" ([.,])", r"\1", self.text)
        self.links = reader.links
        self.ids = reader.ids
        self.h1 = len(reader.headings)
        title = re.search(r"<title>(.*?)</title>", self.html, re.DOTALL)
        self.title = title[1].replace("\N{NO-BREAK SPACE}", " ") if title else ""

    def assert_sound(self) -> None:
        """What holds on every page."""
        assert '<html lang="fr">' in self.html
        assert self.h1 == 1
        assert self.title.endswith("– Portail BMA")
        assert "VARIABLE-INCONNUE" not in self.html
        assert "{{" not in self.html
        assert "{%" not in self.html
        assert len(self.ids) == len(set(self.ids))
        assert " style=" not in self.html
        assert "<style" not in self.html
        assert "ethnic.be" not in self.html
        assert "www.webmail@" not in self.html
        for slip in ("ESARH", "SMAL2"):
            assert slip not in self.html
