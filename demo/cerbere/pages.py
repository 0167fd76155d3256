"""The pages of the Cerbère stand-in. Every value is escaped where it is written; nothing here runs a script."""

from html import escape
from pathlib import Path

from demo.people import Person

STYLE = (Path(__file__).parent / "style.css").read_bytes()


def layout(title: str, content: str) -> str:
    return (
        '<!doctype html>\n<html lang="fr"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)} – Cerbère (démonstration)</title><link rel="stylesheet" href="/style.css"></head>'
        '<body><header class="banner">Démonstration : ce Cerbère est une doublure, ces personnes sont inventées'
        "</header>"
        f"<main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )


def home() -> str:
    return layout(
        "Cerbère",
        "<p>Cette doublure joue le service d’identification. On y arrive depuis le portail, par « Se connecter ».</p>",
    )


def problem(sentence: str) -> str:
    return layout("Connexion impossible", f"<p>{escape(sentence)}</p>")


def choice(query: str, people: list[Person], *, strong_only: bool) -> str:
    """Everybody there is to be, one click each; agents may also come in weakly, to see what that gives."""
    intro = "<p>Qui êtes-vous ? Un clic suffit : il n’y a pas de mot de passe ici.</p>"
    if strong_only:
        intro = (
            "<p>Le portail demande une <strong>connexion renforcée</strong> : confirmez par votre second moyen.</p>"
        )
    rows = "".join(_person(person, strong_only=strong_only) for person in people)
    return layout(
        "Se connecter",
        f'{intro}<form method="post" action="/authorize"><input type="hidden" name="demande" value="{escape(query)}">'
        f'<ul class="people">{rows}</ul><p><button name="annuler" value="1" class="quiet">Annuler</button></p></form>',
    )


def _person(person: Person, *, strong_only: bool) -> str:
    strong = person.is_agent or strong_only
    main = _button(person, person.name, force="renforcee" if strong else "simple")
    weak = (
        _button(person, "avec le mot de passe seul", force="simple", quiet=True) if strong and not strong_only else ""
    )
    return f"<li>{main}<span>{escape(person.what)}</span>{weak}</li>"


def _button(person: Person, label: str, *, force: str, quiet: bool = False) -> str:
    named = f' aria-label="{escape(person.name)}, {escape(label)}"' if quiet else ""
    kind = ' class="quiet"' if quiet else ""
    return f'<button name="choix" value="{escape(person.subject)}|{force}"{kind}{named}>{escape(label)}</button>'
