"""What the assistant's questions are made of, and how they are walked. No row, no request, no moment.

A way is the slugs of the choices, one after the other: `internet/oui/non/rien-trouve`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

MOST = 5  # questions to any answer, those that are typed included


class Typed(StrEnum):
    """A question that is answered by typing, asked last; the name of its field."""

    MAILBOX = "numero"
    DELIVERY = "livraison"


@dataclass(frozen=True)
class Leaf:
    """An answer. `need` is what a request about it is called; `answers` are what it already says of that need.

    `while_migrating`: what is asked is asked only as long as mailboxes wait, for only then are they not all alike.
    `door`: the answer of `/mot-de-passe/` that goes on from here, where the need is a password. `source` names what
    the answer was written from, parted by « ; ».
    """

    title: str
    template: str
    need: str
    source: str
    answers: tuple[tuple[str, str], ...] = ()  # as `support/needs.py` names them
    asks: Typed | None = None
    while_migrating: bool = False
    door: str = ""
    direct: bool = False  # somebody must be told anyway: writing comes before « est-ce résolu ? »
    articles: tuple[str, ...] = ()  # in the place of those that the need itself suggests
    without_request: tuple[str, ...] = ()  # in theirs, where no request is to be written


@dataclass(frozen=True)
class Door:
    """The password's own question elsewhere (`/mot-de-passe/`), opened at one of its answers if `which` names it."""

    which: str = ""


@dataclass(frozen=True)
class Choice:
    slug: str
    label: str
    leads: "Question | Leaf | Door"
    hint: str = ""
    lang: str = ""  # of the label, where it is not French
    while_migrating: bool = False  # offered only as long as mailboxes wait; its answer stays where it was


@dataclass(frozen=True)
class Question:
    title: str
    choices: tuple[Choice, ...]
    hint: str = ""
    short: str = ""  # how its answer is called in the list of those given

    def choice(self, slug: str) -> Choice | None:
        return next((choice for choice in self.choices if choice.slug == slug), None)


Node = Question | Leaf | Door


@dataclass(frozen=True)
class Given:
    """One answer on the way: to which question, and the way to that question."""

    question: Question
    choice: Choice
    before: str


@dataclass(frozen=True)
class Way:
    """Where a path leads, and what was answered on it."""

    path: str
    node: Node
    given: tuple[Given, ...]

    @property
    def told(self) -> list[tuple[str, str]]:
        """The questions and their answers, in words: what a request carries along (E6)."""
        return [(given.question.title, given.choice.label) for given in self.given]


def walk(root: Question, path: str) -> Way | None:
    """The way along these slugs; None if one of them is no answer there."""
    node: Node = root
    given: list[Given] = []
    steps = path.split("/") if path else []
    if len(steps) > MOST:
        return None
    for number, step in enumerate(steps):
        choice = node.choice(step) if isinstance(node, Question) else None
        if choice is None or not isinstance(node, Question):
            return None
        given.append(Given(node, choice, "/".join(steps[:number])))
        node = choice.leads
    return Way(path, node, tuple(given))


def most_after(node: Node) -> int:
    """How many questions may still come, this one included."""
    match node:
        case Question():
            return 1 + max(most_after(choice.leads) for choice in node.choices)
        case Leaf():
            return 1 if node.asks else 0
        case Door():
            # There: which password (and how to tell, for who does not know), then which mailbox.
            return {"": 3, "inconnu": 2}.get(node.which, 1)


def ways(root: Question) -> Iterator[Way]:
    """Every way to an answer or to the password's door, the shortest first."""
    waiting: list[Way] = [Way("", root, ())]
    while waiting:
        way = waiting.pop(0)
        if not isinstance(way.node, Question):
            yield way
            continue
        for choice in way.node.choices:
            path = f"{way.path}/{choice.slug}".strip("/")
            waiting.append(Way(path, choice.leads, (*way.given, Given(way.node, choice, way.path))))
