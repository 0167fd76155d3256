"""The holders' walk from its beginning to its end, and what it leaves: who was told what, and all that was written."""

import os
import re
from dataclasses import dataclass, field
from functools import cached_property

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore

from tests.walks import holders_acts as acts
from tests.walks.browsers import words_of
from tests.walks.holders import Holders
from tests.walks.holders_acts import Asked, Glass
from tests.walks.test_secrets import all_keys, all_tables, everything_said_to_valkey

NOON = "2025-10-06T10:00:00+02:00"
SESSION = re.compile(r"(?<![\w.:-])\.?[\w-]{16,}:\w{6}:[\w-]{43}(?![\w-])", re.ASCII)


@dataclass
class Story:
    stage: Holders
    in_mode: str  # the password shown to a head
    picked_up: str  # to a person without MODE
    spoken: str
    accepted: Asked
    refused: Asked
    glass: Glass
    seen: dict[str, set[str]]  # by person, the pages found while a password waited, then in the end
    places: dict[str, bytes] = field(repr=False)
    sessions_left: bytes = field(repr=False)  # what is in the sessions that are open in the end

    @cached_property
    def secrets(self) -> dict[str, str | bytes]:
        """By its name, what must stand nowhere but where somebody is told of it."""
        stage, code = self.stage, self.spoken
        found: dict[str, str | bytes] = {f"mot de passe {n}": text for n, (_, text) in enumerate(stage.told())}
        found |= {f"lien : {kind} {n}": end for kind, ends in stage.links().items() for n, end in enumerate(ends)}
        for n, spelt in enumerate({code, code.lower(), f"{code[:4]} {code[4:]}", f"{code[:4]} {code[4:]}".lower()}):
            found[f"code dit au téléphone {n}"] = spelt
        for asked in (self.accepted, self.refused):
            found[f"canari de la preuve {asked.pk}"] = asked.proof.canary
            found |= {f"octets de la preuve {asked.pk}.{n}": b for n, b in enumerate(asked.proof.samples())}
        found |= {"clé du second facteur": self.glass.key, "mot de passe de secours": self.glass.password}
        found |= {"secret du portail chez Cerbère": stage.env["CERBERE_CLIENT_SECRET"]}
        found |= {"clé du coffre": settings.BMA_VAULT_KEYS.partition(":")[2], "clé de signature": settings.SECRET_KEY}
        found |= {"mot de passe du compte Exchange": settings.EXCHANGE_PASSWORD}
        for n, told in enumerate(stage.cerbere.exchanged):
            _, claims, signature = told["id_token"].split(".")
            found |= {f"Cerbère : {name} {n}": told[name] for name in ("code", "code_verifier", "access_token")}
            found |= {f"Cerbère : id_token {n}": claims, f"Cerbère : signature {n}": signature}
        return found

    @cached_property
    def digits(self) -> dict[str, str]:
        """Codes too short to be looked for anywhere: only as numbers by themselves."""
        found = {f"code de contact {asked.pk}": asked.contact_code for asked in (self.accepted, self.refused)}
        return found | {f"code de récupération {n}": code for n, code in enumerate(self.glass.recovery_codes)}

    @cached_property
    def cookies(self) -> dict[str, str]:
        keys = set().union(*(browser.sessions for browser in self.stage.browsers))
        return {f"session {n}": key for n, key in enumerate(keys)}

    @cached_property
    def outside(self) -> bytes:
        """Where each secret belongs: the mails, the pages that show one, what the directory and Cerbère were told."""
        stage = self.stage
        parts = [*stage.mails(), repr(stage.told()), repr(stage.cerbere.exchanged)]
        for response in stage.shown:
            words = words_of(response.text) if response.headers["Content-Type"].startswith("text/html") else ""
            parts += [words, words.replace(" ", "")]
        found = [part.encode() for part in parts] + [response.content for response in stage.shown]
        return b"\n".join([*found, self.accepted.proof.original, self.refused.proof.original])


def play(stage: Holders) -> Story:
    postgres = stage.servers.postgres
    postgres.execute("ALTER SYSTEM SET log_statement = 'all'")  # each statement with its values
    postgres.execute("SELECT pg_reload_conf()")
    stage.set_clock(NOON)
    glass_password = f"Secours-{os.urandom(9).hex()}"
    boxes = stage.prepare(glass_password)
    with everything_said_to_valkey(stage) as heard:
        stage.beat()
        stage.worker()
        stage.web()
        stage.wait_ready()
        in_mode = acts.mode(stage, boxes["mode"])
        assert stage.exchange.verify(boxes["mode"], in_mode)
        acts.stop(stage, boxes["mode"])
        faults = ("support.reading.remake", "support.proofs.store")
        accepted = acts.hors_mode(stage, boxes["accepted"], "Camille", faults=faults)
        refused = acts.hors_mode(stage, boxes["refused"], "Robin")
        staff = {
            name: stage.browser() for name in ("Alix Inventée", "Sacha Inventé", "Éden Inventé", "Charlie Inventé")
        }
        for name, browser in staff.items():
            browser.sign_in(name, "/admin/")
        verifier = staff["Alix Inventée"]
        acts.take(verifier, accepted)
        acts.take(verifier, refused)
        acts.accept(verifier, accepted)
        acts.refuse(verifier, refused)
        token, spoken = acts.execute(stage, accepted)
        seen = {f"{name}, en cours": pages for name, pages in acts.look_around(staff, most=45).items()}
        picked_up = acts.pick_up(stage, token, spoken)
        assert stage.exchange.verify(boxes["accepted"], picked_up)
        glass = acts.break_glass(stage, glass_password)
        owners = {name: stage.browser() for name in ("Dominique Fictive", "Noa Fictive")}
        for name, browser in owners.items():
            browser.sign_in(name, "/ma-boite/")
        seen |= acts.look_around(staff | owners | {"secours": glass.browser}, most=90)
        stage.wait(lambda: not stage.exchange.verify(boxes["mode"], in_mode), "boîte mise hors service")
        stage.wait_drained()
    return Story(
        stage, in_mode, picked_up, spoken, accepted, refused, glass, seen, *written(stage, bytes(heard))
    )  # fmt: skip


def written(stage: Holders, heard: bytes) -> tuple[dict[str, bytes], bytes]:
    postgres = stage.servers.postgres
    postgres.execute("CHECKPOINT")
    journal, tables = postgres.log.read_bytes(), all_tables(stage)
    places = {
        "base": tables,
        "journal de PostgreSQL": journal,
        "écritures de PostgreSQL": b"".join(file.read_bytes() for file in (postgres.data / "pg_wal").glob("0*")),
        "commandes reçues par Valkey": heard,
        "clés et fichiers de Valkey": all_keys(stage),
        "journaux du portail": (stage.folder / "troupe.log").read_bytes(),
        "pages du portail": b"\n".join(stage.pages),
        "copies envoyées": "\n".join(stage.mails("sentitems")).encode(),
        "brouillons": "\n".join(stage.mails("drafts")).encode(),
        "sessions": opened(journal),
        "rapports d’erreurs": (stage.outside / "rapports.txt").read_bytes(),
    }
    return places, opened(tables)


def opened(haystack: bytes) -> bytes:
    """What is in the sessions that are written there."""
    found = set(SESSION.findall(haystack.decode(errors="replace")))
    return "\n".join(repr(SessionStore().decode(text)) for text in sorted(found)).encode()
