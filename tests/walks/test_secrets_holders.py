"""What a holder is told stands where they read it, and nowhere else (SEC-C3 to C6, SEC-D4, SEC-E8).

Both ways from beginning to end, with real processes, every logger at DEBUG, and errors while a secret is in hand.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn
from tests.walks import holders_acts as acts
from tests.walks.canary import NEWLINES, forms, traces
from tests.walks.holders import Holders, listening_cerbere
from tests.walks.holders_faults import reports
from tests.walks.holders_story import Story, play
from tests.walks.test_secrets import files_with
from tests.walks.theatre import ROOT

pytestmark = pytest.mark.slow
PEOPLE = ("camille", "robin", "directrice", "gia")
CAPPED = ("exchangelib", "exchangelib.util", "ldap3", "urllib3")

SPELLED = re.compile(rb"\w (?:minuscule|majuscule) comme \w+")

# What the address itself of a request holds stands in any report of that request: Cerbère's code is spent by then,
# a link opens nothing without the code said on the phone.
ADDRESSES = ("Cerbère : code ", "lien : ")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, migrated_data: Path) -> Iterator[Story]:
    folder, outside = tmp_path_factory.mktemp("portail"), tmp_path_factory.mktemp("dehors")
    shutil.copytree(migrated_data, folder / "servers")
    users = [("svc-bma@exemple.test", "demo-exchange"), *((f"{name}@exemple.test", "x") for name in PEOPLE)]
    with (
        Servers(folder / "servers", durable=False) as servers,
        StandIn.start(data=outside / "exchange", users=users) as exchange,
        listening_cerbere(f"chez-cerbere-{os.urandom(12).hex()}") as site,
    ):
        stage = Holders(servers, exchange, folder, outside, site)
        try:
            yield play(stage)
        finally:
            stage.close()


def found_in(haystack: bytes, secrets: Mapping[str, str | bytes]) -> dict[str, list[str]]:
    """By name, the forms under which a secret stands there, over line ends too."""
    whole = haystack + b"\n" + NEWLINES.sub(b"", haystack)
    if not any_in(whole, secrets):
        return {}
    found = {name: [how for how, form in forms(text).items() if form in whole] for name, text in secrets.items()}
    return {name: how for name, how in found.items() if how}


def any_in(haystack: bytes, secrets: Mapping[str, str | bytes]) -> bool:
    """All the forms of all of them in one reading."""
    with tempfile.NamedTemporaryFile() as patterns:
        patterns.write(b"\n".join(form for secret in secrets.values() for form in forms(secret).values()))
        patterns.flush()
        done = subprocess.run(["grep", "-qaFf", patterns.name], input=haystack, check=False)
    assert done.returncode in (0, 1)
    return done.returncode == 0


def numbers_in(haystack: bytes, codes: Mapping[str, str]) -> list[str]:
    """The codes that stand there as numbers by themselves, not in a longer one nor as the fraction of a second."""
    numbers = set(re.findall(rb"(?<![\w.])\d{6,8}(?![\w.])", haystack))
    return [name for name, code in codes.items() if code.encode() in numbers]


def test_everybody_was_told_what_is_theirs_once(story: Story) -> None:
    passwords = [text for _, text in story.stage.told()]
    assert len(set(passwords)) == len(passwords) == 4, "perdu dans une erreur, montré, mis hors service, retiré"
    shown = b"\n".join(response.content for response in story.stage.shown).decode(errors="replace")
    told = ["".join(acts.GROUP.findall(shown)[n : n + 4]) for n in range(0, len(acts.GROUP.findall(shown)), 4)]
    assert told == [story.in_mode, story.picked_up]
    assert {story.in_mode, story.picked_up} < set(passwords)
    assert len(acts.SPOKEN.findall(shown)) == 1
    for response in story.stage.shown:
        assert "no-store" in response.headers["Cache-Control"], response.url


def test_the_pages_that_were_looked_at_are_those_that_matter(story: Story) -> None:
    for name in ("Sacha Inventé", "Éden Inventé", "Charlie Inventé", "secours"):
        seen = " ".join(sorted(story.seen[name]))
        for pk in (story.accepted.pk, story.refused.pk):
            assert f"/admin/support/passwordreset/{pk}/change/" in seen
        for model in ("mail/outgoingmail", "accounts/mailbox"):
            assert re.search(rf"/admin/{model}/\d+/change/", seen), (name, model)
    for name in ("Charlie Inventé", "secours"):
        assert re.search(r"/admin/bma_portal/auditentry/\d+/change/", " ".join(story.seen[name]))
    assert any(path.startswith("/ma-boite/courriel/") for path in story.seen["Dominique Fictive"])
    assert sum(len(pages) for pages in story.seen.values()) > 300


def test_the_search_finds_what_is_there(story: Story) -> None:
    """Each secret where it belongs; in each place, something that must be in it."""
    known = found_in(story.outside, story.secrets)
    ours = ("clé du coffre", "clé de signature", "mot de passe du compte Exchange", "mot de passe de secours")
    spellings = [name for name in story.secrets if name.startswith("code dit")]
    assert set(story.secrets) - set(known) <= {*ours, *spellings}
    assert set(spellings) & set(known)
    assert numbers_in(story.outside, story.digits) == list(story.digits)
    there = {
        "base": (story.accepted.email, acts.LAST_NAME, "reset.shown"),
        "journal de PostgreSQL": (story.accepted.email, "INSERT INTO \"support_prooffile\"", "reset.shown"),
        "écritures de PostgreSQL": (story.accepted.email, acts.LAST_NAME, "reset.shown"),
        "commandes reçues par Valkey": ("support.tick", "accounts.set_passwords"),
        "clés et fichiers de Valkey": ("support.tick",),
        "journaux du portail": (
            '"level": "DEBUG", "logger": "gunicorn.error"', '"logger": "gunicorn.access"', "/mot-de-passe/retrait/",
            '"level": "DEBUG", "logger": "celery.beat"', '"logger": "celery.worker.strategy"',
            '"level": "DEBUG", "logger": "django.template"', '"logger": "django.request"', "connexion/retour/?code=",
        ),
        "pages du portail": ("Retirer un mot de passe", "Demande BMA-", "Codes de récupération"),
        "copies envoyées": ("arrêtée", "faut corriger"),
        "sessions": ("pkce_code_verifier", "second_facteur", "hors_mode"),
        "rapports d’erreurs": ("RuntimeError: panne", "in_hand = ", "Request Method:", "support.views.links.pick_up"),
    }  # fmt: skip
    assert set(there) == set(story.places) - {"brouillons"}
    assert story.places["brouillons"] == b"", "rien n’attend plus chez Exchange"
    for place, words in there.items():
        assert [word for word in words if not traces(word, story.places[place])] == [], place
    assert files_with(story.stage, story.accepted.email), "la recherche dans les fichiers trouve ce qui s’y trouve"


EXCEPTED = {"rapports d’erreurs": ADDRESSES, "sessions": ("Cerbère : code_verifier ",)}


def test_no_secret_stands_anywhere_else(story: Story) -> None:
    found = {place: found_in(text, story.secrets) for place, text in story.places.items()}
    for place, spared in EXCEPTED.items():
        found[place] = {name: how for name, how in found[place].items() if not name.startswith(spared)}
    assert {place: names for place, names in found.items() if names} == {}
    assert files_with(story.stage, *story.secrets.values()) == []


def test_no_code_of_a_few_digits_stands_anywhere_else(story: Story) -> None:
    """What is binary holds any six digits by chance; each statement behind it stands in PostgreSQL's log."""
    places = {name: text for name, text in story.places.items() if name != "écritures de PostgreSQL"}
    assert {place: found for place, text in places.items() if (found := numbers_in(text, story.digits))} == {}


def test_what_is_spelled_is_spelled_to_its_owner_only(story: Story) -> None:
    assert SPELLED.search(b"".join(response.content for response in story.stage.shown))
    ours = b"b minuscule comme Bernard"  # in the source that a report quotes
    assert {place for place, text in story.places.items() if set(SPELLED.findall(text)) - {ours}} == set()


def test_what_is_left_in_the_sessions(story: Story) -> None:
    """The verifier of Cerbère's code waits there for the return, in nobody's reach, and is gone after it."""
    assert traces("demandes", story.sessions_left)
    assert found_in(story.sessions_left, story.secrets) == {}


def test_the_keys_of_sessions_stand_in_the_database_only(story: Story) -> None:
    """Django's sessions are rows under their own key: who reads the database can take one over while it lasts."""
    found = {place for place, text in story.places.items() if any_in(text, story.cookies)}
    assert found == {"base", "journal de PostgreSQL", "écritures de PostgreSQL"}


def test_the_logs_do_not_say_who_asks(story: Story) -> None:
    """SEC-C4: neither name, nor address, nor number of the person."""
    person = {"nom": acts.LAST_NAME, "adresse": story.accepted.email, "téléphone": acts.PHONE}
    places = ("journaux du portail", "commandes reçues par Valkey", "clés et fichiers de Valkey")
    assert set(found_in(story.places["base"], person)) == set(person)
    assert {place: found_in(story.places[place], person) for place in places} == {place: {} for place in places}


def test_a_report_of_each_error_was_written(story: Story) -> None:
    """With the place where it was raised; the pages that were answered say nothing of it."""
    told = story.places["rapports d’erreurs"].decode()
    asked = b"".join(page for page in story.stage.pages if page.startswith(b"500"))
    assert len(re.findall(r"^RuntimeError: panne$", told, re.MULTILINE)) == len(story.stage.faults) == 16
    for _, path in story.stage.faults:
        assert f"at {path}" in told
    assert asked.count(b"500\n") == len(story.stage.faults)
    assert b"panne" not in asked
    assert b"RuntimeError" not in asked


def test_such_a_report_shows_what_a_frame_holds() -> None:
    word = f"canari-{os.urandom(6).hex()}"

    def careless(password: str) -> None:
        raise RuntimeError("panne")

    with pytest.raises(RuntimeError) as raised:
        careless(word)
    shown = [word in report for report in reports(raised.value)]
    assert shown == [True, False, True, False, True], "les pages et la trace complète ; le texte n’a pas de variables"


@pytest.mark.parametrize("free", [False, True], ids=["plafonnés", "libres"])
def test_the_caps_hold_whatever_the_level_and_matter(story: Story, free: bool) -> None:
    """Left free, these libraries print a mail's body, a password, an address; capped, nothing at LOG_LEVEL=DEBUG."""
    stage, words = story.stage, [f"canari{n}{os.urandom(6).hex()}" for n in range(4)]
    env = stage.env | {"UNCAPPED": " ".join(CAPPED) if free else ""}
    command = [sys.executable, "-m", "tests.walks.loud", stage.exchange.ews, stage.exchange.url, *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert '"level": "DEBUG", "logger": "un.autre"' in done.stderr
    assert [word in done.stdout + done.stderr for word in words] == [free] * 4
