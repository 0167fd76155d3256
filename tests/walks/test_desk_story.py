"""Tickets with real processes: by mail alone, killed on the way, each message and each mail once (F10, SEC-F3, F4)."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bma_portal.embedded.servers import Servers
from demo.exchange.control import StandIn
from tests.walks.canary import traces
from tests.walks.desk_stage import NOTE
from tests.walks.desk_story import ASKED, QUOTED, REPAIRED, THANKED, THEFT, Story, play
from tests.walks.holders import Holders, listening_cerbere
from tests.walks.test_secrets import files_with
from tests.walks.test_secrets_holders import found_in, numbers_in

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, migrated_data: Path) -> Iterator[Story]:
    folder, outside = tmp_path_factory.mktemp("bureau"), tmp_path_factory.mktemp("dehors-du-bureau")
    shutil.copytree(migrated_data, folder / "servers")
    with (
        Servers(folder / "servers", durable=False) as servers,
        StandIn.start(data=outside / "exchange") as exchange,
        listening_cerbere(f"chez-cerbere-{os.urandom(12).hex()}") as site,
    ):
        stage = Holders(servers, exchange, folder, outside, site)
        try:
            yield play(stage)
        finally:
            stage.close()


def test_priminfo_works_by_mail_alone(story: Story) -> None:
    """The answer of the one, the reply of the other, each once in the thread; the turn is Priminfo's again."""
    assert [(kind, text) for kind, _, text in story.thread(story.broken)] == [
        ("request", ASKED), ("answer", REPAIRED), ("request", THANKED), ("request", QUOTED),
    ]  # fmt: skip
    query = "SELECT team, status, reason FROM support_ticket WHERE id = %s"
    ((team, status, reason),) = story.stage.ask(query, story.broken)
    assert (team, status) == ("priminfo", "new")
    assert "sous garantie jusqu’au 15 mars 2027" in reason


# The reports of the night come back to the inboxes that send them: the portal knows its own mails
OF_OTHERS = "subject NOT LIKE 'Migration des BMA, %%'"


def test_each_mail_left_once(story: Story) -> None:
    """Killed while it sent, killed while it read: held against the stand-in's own log."""
    stage = story.stage
    rows = stage.ask(
        "SELECT uuid::text, status FROM mail_outgoingmail WHERE kind LIKE 'ticket.%%' OR kind = 'migration.report'"
    )
    received = Counter(delivery["key"] for delivery in stage.exchange.deliveries())
    assert received == {key: 1 for key, _ in rows}
    assert {status for _, status in rows} == {"sent"}
    stage.act("resume")  # a busy account may still be told to wait
    stage.act("tidy")
    assert stage.exchange.counts()["drafts"] == 0
    kinds = "SELECT kind, count(*) FROM mail_outgoingmail WHERE object_id = %s AND kind = %s GROUP BY kind"
    assert stage.ask(kinds, story.broken, "ticket.received") == [("ticket.received", 1)]
    told = [mail for mail in stage.mails(to="sttd@priminfo.be") if story.reference in mail]
    assert len(told) == 3, "la demande, puis ce qui s’y ajoute"
    assert len([mail for mail in stage.mails(to="camille@exemple.test") if story.reference in mail]) == 2


def test_what_answers_by_itself_opens_nothing_and_is_answered_by_nothing(story: Story) -> None:
    assert story.counted["avant"] == story.counted["après"]
    assert story.counted["avant"][0] == 1
    ignored = f"SELECT count(*) FROM support_incomingmail WHERE verdict = 'ignored' AND {OF_OTHERS}"
    assert story.stage.ask(ignored) == [(4,)]


def test_the_inboxes_were_read_to_the_end(story: Story) -> None:
    by_verdict = f"SELECT verdict, count(*) FROM support_incomingmail WHERE {OF_OTHERS} GROUP BY verdict"
    verdicts = dict(story.stage.ask(by_verdict))
    assert verdicts == {"note": 1, "reply": 2, "ignored": 4, "quarantined": 1}


# Secrets


def secrets_of(story: Story) -> dict[str, str | bytes]:
    found: dict[str, str | bytes] = {"mot de passe du mail 2": story.password, "lien : avis": story.opinion}
    found["canari du procès-verbal"] = story.report.canary
    return found | {f"octets du procès-verbal {n}": piece for n, piece in enumerate(story.report.samples())}


def test_the_search_finds_what_is_there(story: Story) -> None:
    """The mails hold what they tell; in each place stands something that must be in it."""
    outside = "\n".join([*story.stage.mails(), repr(story.stage.told())]).encode()
    outside += story.report.original + b"".join(story.report.remade)
    assert set(found_in(outside, secrets_of(story))) == set(secrets_of(story))
    assert numbers_in(outside, {"code de suivi": story.follow_code}) == ["code de suivi"]
    there = {
        "base": (ASKED, REPAIRED, "•", "ticket.solved"),
        "journal de PostgreSQL": (REPAIRED, 'INSERT INTO "support_attachment"', "support_incomingmail"),
        "écritures de PostgreSQL": (REPAIRED,),
        "commandes reçues par Valkey": ("support.read_inboxes", "support.tick"),
        "clés et fichiers de Valkey": ("support.read_inboxes",),
        "journaux du portail": (r"/demandes/avis/\u2022\u2022\u2022", '"message": "courriel re', '"level": "DEBUG"'),
        "pages du portail": ("Ordinateur volé", "Demandes"),
        "copies envoyées": ("Nous avons bien reçu votre demande",),
        "rapports d’erreurs": ("RuntimeError: panne", "in_hand = "),
    }  # fmt: skip
    for place, words in there.items():
        assert [word for word in words if not traces(word, story.places[place])] == [], place
    assert files_with(story.stage, "camille@exemple.test")


def test_no_secret_stands_anywhere_else(story: Story) -> None:
    """Not in the thread of the reply that quoted it, nor in what waits in quarantine, nor where errors are told."""
    secrets = secrets_of(story)
    found = {place: found_in(text, secrets) for place, text in story.places.items()}
    assert {place: names for place, names in found.items() if names} == {}
    assert files_with(story.stage, *secrets.values()) == []


def test_the_code_to_follow_stands_in_its_mail_only(story: Story) -> None:
    places = {name: text for name, text in story.places.items() if name != "écritures de PostgreSQL"}
    code = {"code": story.follow_code}
    assert {place for place, text in places.items() if numbers_in(text, code)} == set()


def test_another_team_sees_nothing_of_the_theft(story: Story) -> None:
    """Nor does its mail tell: no personal document leaves by mail, whoever works by mail."""
    ((reference,),) = story.stage.ask("SELECT reference FROM support_ticket WHERE id = %s", story.stolen)
    told = {
        name: [word for word in (THEFT, NOTE, reference) if traces(word, read)]
        for name, (_, read) in story.pages.items()
    }
    assert told["Éden Inventé"] == [THEFT, NOTE, reference]
    for name in ("Morgan Inventé", "Sacha Inventé"):
        assert set(told[name]) <= {reference}, "sa propre adresse, dans la page qui dit que rien n’y est"
        assert not any(reference in path for path in story.pages[name][0])
    assert any(story.reference in path for path in story.pages["Morgan Inventé"][0])
    assert not any(reference in mail for mail in story.stage.mails(to="sttd@priminfo.be"))


def test_a_note_is_in_no_mail_and_on_the_pages_of_its_team_only(story: Story) -> None:
    assert not any(NOTE in mail for mail in story.stage.mails() + story.stage.mails("sentitems"))
    pages = story.places["pages du portail"]
    assert pages.count(NOTE.encode()) == story.pages["Éden Inventé"][1].count(NOTE.encode()) > 0
