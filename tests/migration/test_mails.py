"""The four mails, and the one that calls the team: what each must say, and how (C1, C2, C10, SEC-C2, SEC-M9)."""

import os
import re
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from accounts.models import Credential
from bma_portal import vault
from bma_portal.clock import brussels
from bma_portal.mail.compose import Withdrawn
from bma_portal.mail.models import Sender
from bma_portal.secret import Secret
from migration.mails import Announcement, BatchPaused, Closing, Confirmation, NewPassword
from migration.models import Mailing
from tests.factories import OrganisationFactory
from tests.factories_migration import BatchFactory, MoveFactory

pytestmark = pytest.mark.django_db
SNAPSHOTS = Path(__file__).parent / "snapshots"
PASSWORD = "Bcd2-fgHj-Km3n-pQ4r"
ADDRESS = "po001234@adm.cfwb.be"
NIGHT = "dans la nuit du jeudi 7 au vendredi 8 novembre 2024"
OPENS = "vendredi 8 novembre 2024"
CODE = "7K3M-0QXT-9ZAB"
CLASSES = {1: Announcement, 2: NewPassword, 3: Confirmation, 4: Closing}
NEW, HELP = "https://ec.cfwb.be/owa", "http://www.enseignement.be/bma-faq"
ALLOWED = {
    NEW,
    HELP,
    "mailto:migrationBMA@cfwb.be",
    "mailto:support@etnic.be",
    "tel:+3224133090",
    "tel:+3228001010",
}
STEPS = [1, 2, 3, 4]


@pytest.fixture
def move():
    po = OrganisationFactory(po_unit=True, fase=1234, mailbox=True, name="Commune de l'Étang & du Pré")
    move = MoveFactory(mailbox=po.mailbox, batch__number=3)
    row = Credential(
        mailbox=po.mailbox, issued_at=brussels(date(2024, 10, 13)), applied_at=brussels(date(2024, 10, 13))
    )
    row.sealed = vault.seal(Secret(PASSWORD), bound_to=row.bound_to)
    row.save()
    return move


@pytest.fixture
def mail(move):
    """`mail(2)`: the second mail of the move, as it would leave when it is due."""

    def of(step, at=None, code=""):
        mailing = Mailing.objects.get(move=move, step=step)
        at = at or mailing.due_at + timedelta(minutes=10)
        loaded = CLASSES[step].load([mailing.pk], at=at)[mailing.pk]
        text, html = loaded.render(at=at, code=code)
        return Rendered(loaded, text, html)

    return of


class Rendered:
    def __init__(self, mail, text, html):
        self.mail, self.raw_text, self.html = mail, text, html
        self.text = text.replace("\N{NO-BREAK SPACE}", " ")
        reader = Reader()
        reader.feed(html)
        self.links, self.tags, self.attributes = reader.links, reader.tags, reader.attributes
        self.words = re.sub(r"\s+", " ", "".join(reader.words).replace("\N{NO-BREAK SPACE}", " "))


class Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.tags, self.attributes, self.words = {}, [], [], []
        self.link = None

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "a":
            self.link = dict(attrs)["href"]
            self.links.setdefault(self.link, [])

    def handle_endtag(self, tag):
        self.link = None if tag == "a" else self.link
        self.words.append("" if tag in {"a", "strong", "code"} else " ")

    def handle_data(self, data):
        self.words.append(data)
        if self.link:
            self.links[self.link].append(data)


def numbers_and_names(text: str) -> set[str]:
    """What a reader would act upon: addresses, telephones, links, dates, figures."""
    return set(re.findall(r"https?://[^\s)]+|[\w.]+@[\w.]+\w|\+32[\d ]+\d|\d+ (?:Mo|Go)|\w+ \d+ \w+ 20\d\d", text))


# Who sends, to whom


@pytest.mark.parametrize(
    ("step", "sender"), [(1, Sender.SGNE), (2, Sender.ETNIC), (3, Sender.SGNE), (4, Sender.ETNIC)]
)
def test_sgne_sends_the_odd_ones_and_etnic_the_even_ones(mail, step, sender):
    assert mail(step).mail.sender == sender
    signature = {"sgne": "L’équipe « Migration BMA » du SGNE", "etnic": "Le Service Desk de l’ETNIC"}[sender]
    assert signature in mail(step).text.split("Bien à vous,")[1]


@pytest.mark.parametrize("step", STEPS)
def test_each_goes_to_the_mailbox_that_it_names(mail, step):
    rendered = mail(step)
    assert rendered.mail.to() == ADDRESS
    assert ADDRESS in rendered.text
    assert ADDRESS in rendered.words


@pytest.mark.parametrize("step", [2, 4])
def test_the_ones_that_carry_a_password_leave_no_body_behind(mail, step):
    row = mail(step).mail.row(at=brussels(date(2024, 10, 14)))
    assert row.sensitive
    assert (row.text, row.html) == ("", "")
    assert row.to == [ADDRESS]


# What each carries (C2)


def test_mail_1_gives_the_procedure_the_dates_what_changes_and_the_support(mail):
    text = mail(1).text
    assert f"La migration : {NIGHT}" in text
    assert f"L’ouverture de la nouvelle interface : {OPENS}" in text
    assert "lundi 14 octobre 2024" in text
    assert "mardi 5 novembre 2024" in text
    assert all(f"\n{n}. " in text for n in (1, 2, 3, 4))
    assert "de 80 Mo à 2 Go" in text
    assert f"Votre adresse reste la même : {ADDRESS}" in text
    assert "migrationBMA@cfwb.be, +32 2 413 30 90" in text
    assert "support@etnic.be, +32 2 800 10 10" in text
    assert HELP in text


def test_mail_1_warns_those_who_collect_their_mail_with_a_program(mail):
    text = mail(1).text
    assert "Seuls les mails encore en ligne sur l’ancien serveur seront transférés" in text
    assert "restent sur l’ordinateur qui les a relevés" in text


def test_mail_2_shows_the_password_alone_on_its_line(mail):
    rendered = mail(2)
    assert PASSWORD in rendered.text.splitlines()
    assert f">{PASSWORD}</code>" in rendered.html
    assert "monospace" in rendered.html


def test_mail_2_says_from_when_to_keep_it_and_to_change_it(mail):
    text = mail(2).text
    assert "Conservez ce mail" in text
    assert f"à partir du {OPENS}" in text
    assert "Jusqu’à cette nuit-là, rien ne change" in text
    assert "remplacez ce mot de passe, dès la première connexion" in text
    assert HELP in text


@pytest.mark.parametrize("step", STEPS)
def test_no_mail_asks_for_a_password(mail, step):
    text = mail(step).text.lower()
    for demand in (
        "envoyez-nous votre mot de passe",
        "communiquez-nous",
        "répondez à ce mail avec",
        "donnez-nous votre mot",
    ):
        assert demand not in text


def test_mail_3_confirms_the_date_and_marks_its_link(mail):
    rendered = mail(3)
    assert f"migrera {NIGHT}" in rendered.text
    assert f"Ce lien fonctionnera à partir du {OPENS}" in rendered.text
    assert NEW in rendered.text
    assert NEW in rendered.links
    assert "remplacez ce mot de passe" in rendered.text
    assert PASSWORD not in rendered.text + rendered.html


def test_mail_3_brings_two_tutorials(mail):
    rendered = mail(3)
    assert rendered.text.count(HELP) == 2
    assert rendered.links[HELP] == ["Lire et écrire ses mails dans le navigateur", "Installer sa boîte dans Outlook"]


def test_mail_4_is_the_last_on_the_old_interface_links_the_new_one_and_recalls_the_password(mail):
    rendered = mail(4)
    assert "Ceci est le dernier message que vous recevez sur cette interface de votre BMA" in rendered.text
    assert "Ceci est le dernier message que vous recevez sur cette interface de votre BMA" in rendered.html
    assert NEW in rendered.text
    assert PASSWORD in rendered.text.splitlines()
    assert f">{PASSWORD}</code>" in rendered.html
    assert "vendredi 25 avril 2025" in rendered.text
    assert "webmail.adm.cfwb.be" not in rendered.text + rendered.html


def test_mail_4_says_when_a_password_was_changed_in_between_and_tells_none(move, mail):
    Credential.objects.update(superseded_at=brussels(date(2024, 10, 20)))
    later = Credential(mailbox=move.mailbox, issued_at=brussels(date(2024, 10, 20)), purpose=Credential.Purpose.RESET)
    later.sealed = vault.seal(Secret("Zzz9-zzZ9-zzZ9-zzZ9"), bound_to=later.bound_to)
    later.save()
    rendered = mail(4)
    for body in (rendered.text, rendered.words):
        assert "modifié le dimanche 20 octobre 2024" in body
        assert PASSWORD not in body
        assert "zzZ9" not in body


def test_mail_4_without_a_secret_says_that_it_was_destroyed_and_what_to_do(mail):
    Credential.objects.update(sealed="", destroyed_at=brussels(date(2024, 11, 1)), destroyed_why="délai dépassé")
    rendered = mail(4)
    for body in (rendered.text, rendered.words):
        assert "a été détruite par sécurité" in body
        assert "contactez l’ETNIC" in body
        assert PASSWORD not in body


def test_mail_2_is_withdrawn_once_its_secret_is_destroyed(mail):
    Credential.objects.update(sealed="", destroyed_at=brussels(date(2024, 10, 14)), destroyed_why="lot annulé")
    with pytest.raises(Withdrawn):
        mail(2)


def test_the_first_of_a_month_is_written_as_in_french(move, mail):
    type(move.batch).objects.update(night_on=date(2024, 11, 30))
    assert "dans la nuit du samedi 30 novembre au dimanche 1er décembre 2024" in mail(1).text


# How each is made (SEC-M9)


@pytest.mark.parametrize("step", STEPS)
def test_the_text_part_is_complete_by_itself(mail, step):
    rendered = mail(step)
    targets = {target.removeprefix("mailto:") for target in rendered.links if not target.startswith("tel:")}
    assert targets <= numbers_and_names(rendered.text)
    assert numbers_and_names(rendered.words) <= numbers_and_names(rendered.text)


@pytest.mark.parametrize("step", STEPS)
def test_the_html_part_says_its_language_has_a_title_and_needs_nothing_from_elsewhere(mail, step):
    rendered = mail(step)
    assert '<html lang="fr">' in rendered.html
    assert re.search(r"<title>[^<]+</title>", rendered.html)
    assert not {"img", "script", "link", "style", "iframe", "table", "form", "object"} & set(rendered.tags)
    assert not {"src", "background", "onclick", "bgcolor"} & {name for name, _ in rendered.attributes}
    assert "url(" not in rendered.html


@pytest.mark.parametrize("step", STEPS)
def test_links_are_named_and_lead_only_where_they_may(mail, step):
    links = mail(step).links
    assert set(links) <= ALLOWED
    for target, names in links.items():
        for name in names:
            assert not name.startswith("http"), target
            assert name.lower() not in {"ici", "cliquez ici", "lien"}


@pytest.mark.parametrize("step", STEPS)
def test_known_slips_of_the_documents_reach_nobody(mail, step):
    rendered = mail(step)
    for body in (rendered.text, rendered.html):
        for slip in ("ethnic.be", "www.webmail", "webmail@", "ESARH", "SMAL2", "gahinda", "felix.", "467"):
            assert slip.lower() not in body.lower()


@pytest.mark.parametrize("step", STEPS)
def test_the_text_is_text_and_the_html_is_escaped(mail, step):
    rendered = mail(step)
    assert "Commune de l'Étang & du Pré" in rendered.text
    assert "&amp;" not in rendered.text
    assert "Commune de l&#x27;Étang &amp; du Pré" in rendered.html
    assert "VARIABLE-INCONNUE" not in rendered.text + rendered.html
    assert "\n\n\n" not in rendered.text
    assert rendered.text == rendered.text.lstrip()


@pytest.mark.parametrize("step", STEPS)
def test_each_ends_with_its_code_and_the_page_where_it_is_looked_up(mail, step):
    """C16: in both parts, once, after whatever a version of the text says."""
    rendered = mail(step, code=CODE)
    assert rendered.text.count(CODE) == rendered.html.count(CODE) == 1
    assert rendered.text.rstrip().endswith(CODE)
    assert "http://testserver/authenticite/" in rendered.text
    assert rendered.links["http://testserver/authenticite/"] == ["Vérifiez-le"]


@pytest.mark.parametrize("step", STEPS)
def test_nobody_is_told_not_to_answer(mail, step):
    assert "ne répondez pas" not in mail(step).text.lower()
    assert "ne pas répondre" not in mail(step).text.lower()


@pytest.mark.parametrize("step", STEPS)
def test_each_request_is_to_carry_name_first_name_and_address(mail, step):
    assert "votre nom, votre prénom et l’adresse de la boîte" in mail(step).text


def test_the_team_is_told_what_stopped_a_batch_and_what_to_do():
    batch = BatchFactory(number=3)
    at = brussels(date(2024, 10, 15), 9, 5)
    mail = BatchPaused(batch, bad=6, total=100, recipient="migrationBMA@cfwb.be", at=at)
    text, html = mail.render(at=at)
    text = text.replace("\N{NO-BREAK SPACE}", " ")
    assert mail.to() == "migrationBMA@cfwb.be"
    assert "Le lot 3 (PO) s’est suspendu le mardi 15 octobre 2024 à 9 h 05 : 6 boîtes sur 100 ont un mail" in text
    assert "Reprenez le lot, ou annulez-le" in text
    assert '<html lang="fr">' in html
    alone, _ = BatchPaused(batch, bad=1, total=10, recipient="x@cfwb.be", at=at).render(at=at)
    assert "1 boîte sur 10 a un mail" in alone.replace("\N{NO-BREAK SPACE}", " ")


# Whole (a changed word shows in the review)


@pytest.mark.parametrize("step", STEPS)
def test_the_whole_mail_is_as_it_was_last_read(mail, step):
    rendered = mail(step, code=CODE)
    name = rendered.mail.kind.partition(".")[2]
    compare(f"{name}.txt", f"Objet : {rendered.mail.subject()}\n\n{rendered.raw_text}")
    compare(f"{name}.html", rendered.html)


def test_the_mail_to_the_team_is_as_it_was_last_read():
    at = brussels(date(2024, 10, 15), 9, 5)
    mail = BatchPaused(BatchFactory(number=3), bad=6, total=100, recipient="migrationBMA@cfwb.be", at=at)
    text, html = mail.render(at=at)
    compare("batch_paused.txt", f"Objet : {mail.subject()}\n\n{text}")
    compare("batch_paused.html", html)


def compare(name: str, found: str) -> None:
    """With UPDATE_SNAPSHOTS=1 the snapshot is written anew: read its difference before it is committed."""
    path = SNAPSHOTS / name
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")
