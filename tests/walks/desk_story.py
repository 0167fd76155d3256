"""The desk's walk: a director writes, Priminfo works by mail alone, a theft is reported, a reply quotes a password.

Everything fails on the way: the worker is killed while it reads and while it sends, Exchange refuses and hangs up,
programs answer by themselves. What is left of it all is looked at by the tests.
"""

import io
import os
import re
import time
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import make_msgid

import requests

from bma_portal.mail.compose import MASK
from tests.walks.browsers import Browser, Page
from tests.walks.desk_stage import NOTE, THEFT_ANSWER
from tests.walks.holders import Holders
from tests.walks.holders_acts import SIX, Proof, card
from tests.walks.holders_story import written
from tests.walks.test_secrets import everything_said_to_valkey

NOON = "2025-10-06T10:00:00+02:00"
ETNIC, PRIMINFO = "support@etnic.be", "sttd@priminfo.be"
CAMILLE, ROBIN = "camille@exemple.test", "robin@exemple.test"
ASKED = "L’écran de l’ordinateur reste noir depuis ce matin."
REPAIRED = "Un technicien passe demain à 9 h. Quelqu’un sera-t-il là ?"
QUOTED = f"Bonjour, ce mot de passe est refusé : {MASK}"
THEFT = "Il a disparu pendant la nuit."
THANKED = "Oui, le secrétariat ouvre à 8 h. Merci."
OPINION = re.compile(r"/demandes/avis/([\w-]+)")
MESSAGES = "SELECT kind, author_name, text FROM support_message WHERE ticket_id = %s ORDER BY written_at, id"


@dataclass
class Story:
    stage: Holders
    broken: int  # tickets
    stolen: int
    reference: str
    follow_code: str
    opinion: str
    password: str
    report: Proof  # the « procès-verbal »
    counted: dict[str, tuple]  # before the programs that answer by themselves, and after
    pages: dict[str, tuple[set[str], bytes]]  # by person, what each opened at the desk, and all that was read there
    places: dict[str, bytes] = field(repr=False)
    sessions_left: bytes = field(repr=False)

    def thread(self, ticket: int) -> list[tuple]:
        return self.stage.ask(MESSAGES, ticket)


class Reader:
    """Somebody at the pages of the Exchange stand-in: reads their mails, and answers one."""

    def __init__(self, stage: Holders, address: str, face: str = "ailleurs") -> None:
        self.url, self.http = f"{stage.exchange.url}/{face}", requests.Session()
        self.http.trust_env = False
        data = {"adresse": address, "mot_de_passe": "ancien-serveur"}
        assert self.http.post(f"{self.url}/connexion", data=data, timeout=10).ok

    def answers(self, text: str) -> None:
        """The latest mail."""
        number = re.findall(r"/courriel/(\d+)\"", self.http.get(f"{self.url}/", timeout=10).text)[0]
        done = self.http.post(f"{self.url}/courriel/{number}/repondre", data={"texte": text}, timeout=10)
        assert "Votre réponse est partie." in done.text


def play(stage: Holders) -> Story:
    postgres = stage.servers.postgres
    postgres.execute("ALTER SYSTEM SET log_statement = 'all'")  # each statement with its values
    postgres.execute("SELECT pg_reload_conf()")
    stage.env["DJANGO_SETTINGS_MODULE"] = "tests.walks.settings_desk"
    stage.set_clock(NOON)
    stage.exchange.clock(NOON)
    boxes = stage.told_by("tests.walks.desk_stage")
    with everything_said_to_valkey(stage) as heard:
        stage.beat()
        worker = stage.worker()
        stage.web()
        stage.wait_ready()
        stage.wait(lambda: len(_lines(stage)) == 1, "mot de passe posé")
        ((_, password),) = stage.told()
        broken, reference, worker = _by_mail_alone(stage, boxes["broken"], worker)
        counted = {"avant": _counts(stage)}
        _programs_answer(stage, reference)
        counted["après"] = _counts(stage)
        _a_reply_quotes_a_password(stage, boxes["broken"], password)
        stolen, report, code, opinion = _a_theft(stage, boxes["stolen"])
        pages = _look_around(stage, stolen, report)
        stage.wait_drained()
    return Story(
        stage, broken, stolen, reference, code, opinion, password, report, counted, pages,
        *written(stage, bytes(heard)),
    )  # fmt: skip


def _lines(stage: Holders) -> list[str]:
    try:
        with open(stage.env["TOLD"]) as lines:
            return lines.readlines()
    except FileNotFoundError:
        return []


def _asks(stage: Holders, box: str, need: str, email: str, name: str, *, fault: str = "", **typed) -> str:
    """The form; the reference that its page gives."""
    browser, button = stage.browser(), "Envoyer ma demande"
    files = typed.pop("files", None)
    page = browser.open(f"/demandes/nouvelle/?besoin={need}&numero={box.partition('@')[0]}")
    time.sleep(3.2)  # nobody fills it faster
    typed |= {"last_name": "Fictive", "first_name": name, "email": email}
    if fault:
        browser.press(page, button, files=files() if files else None, fault=fault, status=500, **typed)
    done = browser.press(page, button, files=files() if files else None, **typed)
    return re.search(r"D-\w{4}-\w{4}", done.words)[0]  # type: ignore[index]


def _ticket(stage: Holders, reference: str) -> int:
    return stage.ask("SELECT id FROM support_ticket WHERE reference = %s", reference)[0][0]


def _heard(stage: Holders, ticket: int, text: str) -> None:
    there = "SELECT count(*) FROM support_message WHERE ticket_id = %s AND text = %s"
    stage.wait(lambda: stage.ask(there, ticket, text)[0][0] == 1, f"dans le fil : {text}")


def _by_mail_alone(stage: Holders, box: str, worker) -> tuple[int, str, object]:
    """The director by the form then by mail, Priminfo by mail only; a worker dies as it sends, another as it reads."""
    exchange = stage.exchange
    exchange.faults([{"op": "SendItem", "action": "delay", "ms": 1500, "times": 2}])
    typed = {"r_livraison": "15/03/2024", "subject": "Écran noir", "text": ASKED}
    reference = _asks(stage, box, "panne", CAMILLE, "Camille", **typed)
    stage.wait(lambda: exchange.faults()[0]["fired"] >= 1, "envoi commencé")
    stage.kill(worker)
    ticket, worker = _ticket(stage, reference), stage.worker()
    assert ASKED in stage.mail(PRIMINFO, reference)
    stage.mail(CAMILLE, reference)

    exchange.faults([
        {"op": "SyncFolderItems", "action": "status", "status": 503, "retry_after": 1, "times": 2},
        {"op": "GetItem", "action": "delay", "ms": 1500, "times": 1},
    ])  # fmt: skip
    Reader(stage, PRIMINFO).answers(REPAIRED)
    stage.wait(lambda: exchange.faults()[1]["fired"] == 1, "lecture commencée")
    stage.kill(worker)
    worker = stage.worker()
    stage.act("command", "read_inboxes")  # the dead worker's lease is not waited for
    _heard(stage, ticket, REPAIRED)
    assert REPAIRED in stage.mail(CAMILLE, "Voici la réponse")

    exchange.faults([{"op": "GetItem", "action": "drop_after", "times": 1}])
    Reader(stage, CAMILLE).answers(THANKED)
    stage.twice_at_once("read_inboxes")  # beside the worker, and one of the three loses its connection
    assert exchange.faults()[0]["fired"] == 1
    stage.act("command", "read_inboxes")
    _heard(stage, ticket, THANKED)
    assert THANKED in stage.mail(PRIMINFO, THANKED)
    # What a failure costs is time, half a minute at least: not the walk's.
    stage.ask("UPDATE support_inboxstate SET not_before = NULL, reading_until = NULL, failures = 0")
    return ticket, reference, worker


def _mime(author: str, subject: str, text: str, **heads: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = author, ETNIC, subject
    mail["Message-ID"] = make_msgid(domain="exemple.test")
    for name, value in heads.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


def _read(stage: Holders, count: int) -> None:
    query = "SELECT count(*) FROM support_incomingmail"
    stage.wait(lambda: stage.ask(query)[0][0] >= count, f"{count} courriels lus")


def _counts(stage: Holders) -> tuple:
    tables = ("support_ticket", "support_message", "mail_outgoingmail")
    return tuple(stage.ask(f"SELECT count(*) FROM {table}")[0][0] for table in tables)


def _programs_answer(stage: Holders, reference: str) -> None:
    """Both ends are on holiday, and one of the portal's own mails comes round."""
    ((message_id,),) = stage.ask("SELECT message_id FROM mail_outgoingmail WHERE kind = 'ticket.received'")
    ((read,),) = stage.ask("SELECT count(*) FROM support_incomingmail")
    away = {"In_Reply_To": message_id, "Auto_Submitted": "auto-replied"}
    mails = [
        _mime(CAMILLE, f"Absence du bureau : votre demande [{reference}]", "Je suis absente.", **away),
        _mime(PRIMINFO, f"RE: Écran noir [{reference}]", "Merci de votre message.", **away),
        _mime(CAMILLE, f"Réponse automatique [{reference}]", "De retour lundi.", In_Reply_To=message_id),
        _mime(ETNIC, f"Nous avons reçu votre demande [{reference}]", "Madame, Monsieur,", X_BMA_Key="quelconque"),
    ]
    for mail in mails:
        stage.exchange.arrive(ETNIC, mail)
    _read(stage, read + len(mails))
    stage.wait_drained()


def _a_reply_quotes_a_password(stage: Holders, box: str, password: str) -> None:
    """From the mailbox itself, which has one live ticket, then from somebody whom nobody knows."""
    ((read,),) = stage.ask("SELECT count(*) FROM support_incomingmail")
    folded = password[:9] + "\n> " + password[9:]
    text = f"{QUOTED.replace(MASK, password)}\n\n> Mot de passe : {folded}\n> Boîte : {box}\n"
    stage.exchange.arrive(ETNIC, _mime(box, f"Refusé {password}", text))
    stage.exchange.arrive(ETNIC, _mime("inconnu@exemple.test", "Transmis", f"Pour {box} : {password}"))
    _read(stage, read + 2)
    assert password not in stage.mail(PRIMINFO, "ce mot de passe est refusé")


def _a_theft(stage: Holders, box: str) -> tuple[int, Proof, str, str]:
    """With its report; followed without an account, solved by Éden, and one opinion."""
    report = card(f"CANARI-{os.urandom(9).hex()}")
    reference = _asks(
        stage, box, "vol", ROBIN, "Robin", subject="Ordinateur volé", text=THEFT,
        files=lambda: {"files": ("pv.png", io.BytesIO(report.original), "image/png")},
        fault="support.attachments.attach",
    )  # fmt: skip
    stage.mail(ROBIN, reference)
    browser = stage.browser()
    page = browser.press(browser.open(f"/demandes/suivi/?reference={reference}"), "Recevoir le code")
    code = SIX.search(stage.mail(ROBIN, "indiquez ce code").partition("indiquez ce code")[2])[0]  # type: ignore[index]
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    page = browser.press(page, "Ouvrir ma demande", code=wrong)
    browser.press(page, "Ouvrir ma demande", code=code, fault="support.tokens.follow_code", status=500)
    page = browser.press(page, "Ouvrir ma demande", code=code)
    assert page.path == f"/demandes/suivi/{reference}/"
    stage.run("-m", "tests.walks.desk_stage", reference)
    assert THEFT_ANSWER in stage.mail(ROBIN, "Voici la réponse")
    assert THEFT_ANSWER in browser.open(page.path).words
    opinion = OPINION.search(stage.mail(ROBIN, "/demandes/avis/"))[1]  # type: ignore[index]
    satisfied = stage.browser()
    asked = satisfied.open(f"/demandes/avis/{opinion}/", reveals=True)
    satisfied.press(asked, "Oui, satisfait", reveals=True)
    return _ticket(stage, reference), report, code, opinion


def _look_around(stage: Holders, stolen: int, report: Proof) -> dict[str, tuple[set[str], bytes]]:
    """Éden opens the report; everybody opens what the desk offers them, and what it does not."""
    ((reference, piece),) = stage.ask(
        """SELECT t.reference, a.uuid FROM support_attachment AS a JOIN support_message AS m ON m.id = a.message_id
           JOIN support_ticket AS t ON t.id = m.ticket_id WHERE t.id = %s""",
        stolen,
    )
    seen = {}
    for name, status in (("Éden Inventé", 200), ("Morgan Inventé", 404), ("Sacha Inventé", 404)):
        browser, before = stage.browser(), len(stage.pages)
        browser.sign_in(name, "/desk/")
        browser.open(f"/desk/demande/{reference}/", status=status)
        browser.open(f"/desk/piece/{piece}/", status=status)
        page = _page(browser, f"/desk/piece/{piece}/1/", status)
        if status == 200:
            report.remade.append(page.body)
            assert NOTE in browser.open(f"/desk/demande/{reference}/").words
        opened = browser.crawl(["/desk/?file=toutes", "/desk/"], within=("/desk/",), most=25)
        seen[name] = opened, b"\n".join(stage.pages[before:])
    return seen


def _page(browser: Browser, path: str, status: int) -> Page:
    return browser.open(path, status=status, reveals=status == 200)
