"""The mailboxes as a browser sees them: both interfaces, before and after the night, and the visitor's log."""

import re
from datetime import UTC, datetime

import pytest
import requests
from exchangelib import FileAttachment, HTMLBody, Mailbox

BOX = "ec000123@adm.cfwb.be"
NIGHT = datetime(2024, 11, 4, 19, 30, tzinfo=UTC)
OLD_PASSWORD = "ancien-serveur"
NEW_PASSWORD = "Velours-42-Tilleul"


class Browser(requests.Session):
    def __init__(self, base):
        super().__init__()
        self.trust_env = False
        self.base = base

    def open(self, path):
        return self.get(self.base + path, timeout=5)

    def sign_in(self, face, address, password):
        data = {"adresse": address, "mot_de_passe": password}
        return self.post(f"{self.base}/{face}/connexion", data=data, timeout=5)


@pytest.fixture
def browser(exchange):
    with Browser(exchange.url) as browser:
        yield browser


@pytest.fixture
def mails(exchange, mailer):
    """One mail before the night, one after."""
    exchange.clock(datetime(2024, 10, 14, 7, 5, tzinfo=UTC))
    mailer.send(*mailer.draft(mailer.message(BOX, subject="Premier courriel")))
    exchange.set_password(BOX, NEW_PASSWORD)
    exchange.clock(NIGHT)
    exchange.move([BOX], NIGHT)
    mailer.send(*mailer.draft(mailer.message(BOX, subject="Après la nuit")))


@pytest.mark.parametrize("path", ["/", "/ancien/", "/owa/", "/ailleurs/", "/journal/"])
def test_every_page_is_in_french_says_it_is_a_demonstration_and_allows_no_script(browser, path):
    answer = browser.open(path)
    assert answer.status_code == 200
    assert '<html lang="fr">' in answer.text
    assert answer.text.count("<h1>") == 1
    assert "Démonstration : courriels fictifs" in answer.text
    assert "<script" not in answer.text
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_the_style_sheet_is_served_and_an_unknown_page_is_a_404_in_french(browser):
    assert browser.open("/style.css").headers["Content-Type"].startswith("text/css")
    lost = browser.open("/n-existe-pas/")
    assert lost.status_code == 404
    assert "Page introuvable" in lost.text


@pytest.mark.parametrize("typed", [BOX, "  EC000123@ADM.CFWB.BE ", "ec000123"])
def test_the_old_interface_opens_with_the_demo_password(browser, mails, typed):
    answer = browser.sign_in("ancien", typed, OLD_PASSWORD)
    assert answer.url.endswith("/ancien/")
    assert "Premier courriel" in answer.text
    assert "lundi 14 octobre 2024 à 09:05" in answer.text


def test_after_the_night_the_old_interface_stays_readable_and_receives_nothing_more(browser, mails):
    text = browser.sign_in("ancien", BOX, OLD_PASSWORD).text
    assert "les nouveaux courriels n’arrivent plus ici" in text
    assert "lundi 4 novembre 2024 à 20:30" in text
    assert "Premier courriel" in text
    assert "Après la nuit" not in text


def test_the_new_interface_has_everything_newest_first(browser, mails):
    text = browser.sign_in("owa", BOX, NEW_PASSWORD).text
    assert text.index("Après la nuit") < text.index("Premier courriel")
    assert "Votre boîte est sur cette interface depuis" in text


@pytest.mark.parametrize("face", ["ancien", "owa"])
def test_a_wrong_password_is_said_clearly_and_the_address_is_kept(browser, mails, face):
    answer = browser.sign_in(face, BOX, "faux")
    assert answer.status_code == 422
    assert "Adresse ou mot de passe incorrect" in answer.text
    assert 'role="alert"' in answer.text
    assert f'value="{BOX}"' in answer.text
    assert "<title>Erreur" in answer.text
    assert "Premier courriel" not in browser.open(f"/{face}/").text


def test_an_address_that_is_no_mailbox_is_said_and_escaped(browser):
    answer = browser.sign_in("owa", '"><script>alert(1)</script>', "x")
    assert answer.status_code == 422
    assert "<script" not in answer.text
    assert "&quot;&gt;&lt;script&gt;" in answer.text
    assert "pas celle d’une boîte administrative" in answer.text


def test_before_the_night_the_new_interface_says_that_the_mailbox_is_not_there_yet(exchange, browser):
    exchange.clock(datetime(2024, 10, 20, tzinfo=UTC))
    exchange.set_password(BOX, NEW_PASSWORD)
    text = browser.sign_in("owa", BOX, NEW_PASSWORD).text
    assert "n’est pas encore sur la nouvelle interface" in text
    assert "incorrect" in browser.sign_in("owa", BOX, "faux").text
    exchange.move([BOX], NIGHT)  # announced
    assert "à partir du <strong>" in (text := browser.sign_in("owa", BOX, NEW_PASSWORD).text)
    assert "lundi 4 novembre 2024 à 20:30" in text
    assert "Boîte de réception" not in browser.open("/owa/").text
    exchange.clock(NIGHT)
    assert "Boîte de réception" in browser.sign_in("owa", BOX, NEW_PASSWORD).text


def test_without_any_password_yet_the_new_interface_says_that_it_is_early(browser):
    assert "n’est pas encore sur" in browser.sign_in("owa", BOX, "n'importe").text


def test_a_mail_announced_for_later_arrives_on_the_old_interface_until_then(exchange, mailer, browser):
    exchange.clock(datetime(2024, 11, 4, 8, tzinfo=UTC))
    exchange.move([BOX], NIGHT)
    mailer.send(*mailer.draft(mailer.message(BOX, subject="Le dernier ici")))
    exchange.clock(NIGHT)
    mailer.send(*mailer.draft(mailer.message(BOX, subject="Le premier là-bas")))
    text = browser.sign_in("ancien", BOX, OLD_PASSWORD).text
    assert "Le dernier ici" in text
    assert "Le premier là-bas" not in text


def test_an_empty_mailbox_says_so(browser):
    assert "Aucun courriel pour le moment" in browser.sign_in("ancien", BOX, OLD_PASSWORD).text


def only_link(text, pattern):
    (found,) = set(re.findall(pattern, text))
    return found


def test_everything_that_a_mail_brings_is_escaped_and_its_html_is_sealed(exchange, mailer, browser):
    nasty = "<script>alert('x')</script>"
    message = mailer.message(
        BOX,
        subject=f"Objet {nasty}",
        body=HTMLBody(f'<p onclick="x()">Bonjour</p>{nasty}<img src="http://ailleurs.test/x.png">'),
        attachments=[FileAttachment(name=f"{nasty}.html", content=nasty.encode())],
    )
    message.author = Mailbox(email_address="migrationBMA@cfwb.be", name=nasty)
    mailer.send(*mailer.draft(message))
    listing = browser.sign_in("ancien", BOX, OLD_PASSWORD).text
    link = only_link(listing, r"/ancien/courriel/\d+")
    page = browser.open(link).text
    for text in (listing, page, browser.open(f"{link}?texte=1").text, browser.open("/journal/").text):
        assert "<script" not in text
        assert "&lt;script&gt;" in text
    assert 'sandbox="allow-popups' in page
    body = browser.open(f"{link}/corps")
    policy = body.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox ")
    assert "allow-scripts" not in policy
    assert "default-src 'none'" in policy
    piece = browser.open(f"{link}/piece/0")
    assert piece.content == nasty.encode()
    assert piece.headers["Content-Disposition"].startswith("attachment")
    assert piece.headers["Content-Type"] == "application/octet-stream"
    assert browser.open(f"{link}/piece/1").status_code == 404


def test_a_text_mail_is_shown_as_text(exchange, mailer, browser):
    mailer.send(*mailer.draft(mailer.message(BOX, body="Bonjour,\nvoici <ceci>.")))
    link = only_link(browser.sign_in("ancien", BOX, OLD_PASSWORD).text, r"/ancien/courriel/\d+")
    text = browser.open(link).text
    assert "Bonjour,\nvoici &lt;ceci&gt;." in text
    assert "<iframe" not in text


def test_the_plain_text_of_an_html_mail_is_readable(exchange, mailer, browser):
    html = '<style>p{}</style><h1>Bonjour</h1><p>Une <a href="https://ec.cfwb.be/owa">adresse</a>,<br>puis</p><ul><li>un</ul>'
    mailer.send(*mailer.draft(mailer.message(BOX, body=HTMLBody(html))))
    (mail,) = exchange.mailbox(BOX)["mails"]
    assert [line for line in mail["text"].splitlines() if line] == [
        "Bonjour", "Une adresse <https://ec.cfwb.be/owa>,", "puis", "- un",
    ]  # fmt: skip


def test_a_mailbox_is_closed_to_others(exchange, mailer, browser):
    mailer.send(*mailer.draft(mailer.message(BOX)))
    link = only_link(browser.sign_in("ancien", BOX, OLD_PASSWORD).text, r"/ancien/courriel/\d+")
    with Browser(exchange.url) as stranger:
        assert stranger.open(link).url.endswith("/ancien/")
        stranger.sign_in("ancien", "ec000124@adm.cfwb.be", OLD_PASSWORD)
        assert stranger.open(link).status_code == 404
        assert stranger.open(link.replace("ancien", "owa")).url.endswith("/owa/")


def test_signing_out_ends_the_session(browser, mails):
    browser.sign_in("owa", BOX, NEW_PASSWORD)
    kept = dict(browser.cookies)
    browser.post(f"{browser.base}/owa/deconnexion", timeout=5)
    assert "Se connecter" in browser.open("/owa/").text
    browser.cookies.update(kept)
    assert "Premier courriel" not in browser.open("/owa/").text


def test_the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites(exchange, mails):
    data = {"adresse": BOX, "mot_de_passe": NEW_PASSWORD}
    answer = requests.post(f"{exchange.url}/owa/connexion", data=data, allow_redirects=False, timeout=5)
    assert answer.status_code == 303
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.startswith("bma_demo_owa=")


@pytest.mark.parametrize("origin", ["https://ailleurs.test", "null"])
def test_another_site_cannot_sign_in_nor_command(exchange, origin):
    for path in ("/owa/connexion", "/_demo/reset"):
        assert requests.post(exchange.url + path, headers={"Origin": origin}, timeout=5).status_code == 403


def test_a_name_that_was_pointed_at_the_loopback_is_refused(exchange):
    for path in ("/", "/_demo/counts"):
        answer = requests.get(exchange.url + path, headers={"Host": "piege.test"}, timeout=5)
        assert answer.status_code == 421


def test_the_log_shows_the_last_hundred_deliveries_without_their_content(exchange, mailer, browser):
    drafts = mailer.draft(*[mailer.message(subject=f"Numéro {n:03}", body="contenu secret") for n in range(105)])
    mailer.send(*drafts)
    text = browser.open("/journal/").text
    assert "<dd>105</dd>" in text
    assert text.count('<li><span class="subject">') == 100
    assert "Numéro 104" in text
    assert "Numéro 004" not in text
    assert "contenu secret" not in text
    assert "ec000012@adm.cfwb.be" in text


def test_what_leaves_for_another_address_is_read_under_the_other_addresses_and_only_there(browser, mailer):
    mailer.send(*mailer.draft(mailer.message("Camille@exemple.test", subject="Votre code")))
    assert "Votre code" in browser.sign_in("ailleurs", "camille@exemple.test", OLD_PASSWORD).text
    assert "Votre code" not in Browser(browser.base).sign_in("ailleurs", "autre@exemple.test", OLD_PASSWORD).text
    for face, address in (("ailleurs", BOX), ("ailleurs", "camille"), ("ancien", "camille@exemple.test")):
        assert Browser(browser.base).sign_in(face, address, OLD_PASSWORD).status_code == 422
    assert Browser(browser.base).sign_in("ailleurs", "camille@exemple.test", "faux").status_code == 422
