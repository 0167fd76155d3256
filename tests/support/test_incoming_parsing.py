"""What is pure of the mail that comes in: hostile mails take no time, secrets are found however they are folded."""

import time
from datetime import UTC, datetime

import pytest

from accounts.credentials import new_password
from bma_portal.mail.compose import MASK
from bma_portal.secret import Secret
from support.incoming import automatic, cleaning, quotes
from support.incoming.masking import NATIONAL, Mask
from support.incoming.parsing import MOST_TEXT, Incoming, parse
from support.incoming.receiving import names_of

AT = datetime(2024, 11, 14, 9, tzinfo=UTC)
FROM = b"From: a@exemple.test\n"

HOSTILE = {
    "header of parentheses": b"From: " + b"(" * 100_000 + b"a@b.be\n\nx",
    "encoded words": b"Subject: " + b"=?utf-8?q?a?= " * 30_000 + b"\n\n",
    "authors": b"From: " + b'"a" <a@b.be>, ' * 40_000 + b"\n\n",
    "parameters": b"Content-Type: text/plain; " + b"a*0*=x; " * 20_000 + b"\n\n",
    "file name": b"Content-Disposition: attachment; " + b"filename*0*=x; " * 20_000 + b"\n\n",
    "parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n\n" * 15_000,
    "parts in parts": b"".join(
        b"Content-Type: multipart/mixed; boundary=a%d\n\n--a%d\n" % (n, n) for n in range(1_000)
    ),
    "mails in mails": b"Content-Type: message/rfc822\n\n" * 2_000,
    "quotations": FROM + b"\n" + b"> " * 100_000,
    "« a écrit »": FROM + b"\n" + "Le lundi a écrit\n".encode() * 100_000,
    "« De : »": FROM + b"\n" + b"De : x\n" * 100_000,
    "one long line": FROM + b"\n" + b"Le 1" * 100_000,
    "tags": FROM + b"Content-Type: text/html\n\n" + b"<div><blockquote>" * 20_000,
    "open tags": FROM + b"Content-Type: text/html\n\n" + b"<a href='" * 100_000,
    "brackets": FROM + b"Content-Type: text/html\n\n" + b"<" * 1_000_000,
    "base64": FROM + b"Content-Transfer-Encoding: base64\n\n" + b"A" * 1_000_001,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_mail_takes_no_time_and_raises_nothing(raw):
    start = time.process_time()
    mail = parse(raw)
    Mask().mail(mail)
    automatic.sort_of(mail)
    assert time.process_time() - start < 5  # of the processor, on a busy machine
    assert len(mail.text) <= MOST_TEXT + 100


def folded(password: str) -> list[str]:
    return [
        password,
        f"({password}).",
        password.replace("-", "-\n> "),
        password[:7] + "\n> " + password[7:],
        f"<p>{password[:6]}<b>{password[6:]}</b></p>",
        password.replace("-", "–"),
        password.replace("-", "-\N{ZERO WIDTH SPACE}"),
        f"{password[:9]}&nbsp;{password[9:]}",
    ]


@pytest.mark.parametrize("n", range(8))
def test_a_known_password_is_masked_however_it_is_folded(n):
    password = new_password(fase=247).reveal()
    mask, text = Mask([Secret(password)]), folded(password)[n]
    signs = password.replace("-", "")
    for shown in (mask.text(text), mask.html(text)):
        assert MASK in shown
        assert not any(signs[at : at + 8] in "".join(c for c in shown if c.isalnum()) for at in range(8))


def test_one_that_is_known_no_more_is_recognised_by_its_shape():
    password = new_password(fase=247).reveal()
    assert Mask().text(f"Le mot de passe {password} ne va pas") == f"Le mot de passe {MASK} ne va pas"
    for other in ("aaaa-bbbb-cccc-dddd", "2024-1114-0912-0001", "BCDF-GHJK-MNPQ-RSTV"):
        assert Mask().text(other) == other


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Mot de passe : Bonjour12", f"Mot de passe : {MASK}"),
        ("mon mdp est tartine!42 merci", f"mon mdp est {MASK} merci"),
        ("Mot de passe :\n> Bonjour12", f"Mot de passe :\n> {MASK}"),
        ("mot de passe : oublié", None),
        ("Mon mot de passe est perdu depuis hier", None),
        ("le mot de passe de la boîte ec000247@adm.cfwb.be : je ne l’ai plus", None),
        ("mot de passe : https://portail.test/mot-de-passe/", None),
        (
            "https://portail.test/mot-de-passe/retrait/abcdefghijkl?x=1",
            f"https://portail.test/mot-de-passe/retrait/{MASK}",
        ),
        ("85.07.30-033.28", NATIONAL),
        ("Tél. 0032 470 12 34 56", None),
    ],
)
def test_what_is_called_a_password_goes_and_words_stay(said, kept):
    assert Mask().text(said) == (said if kept is None else kept)


def test_html_is_reduced_to_what_may_be_shown():
    html = (
        '<p style="x" class="y" onclick="a()">Bon<script>alert(1)</script>jour</p><img src="cid:1@x" alt="">'
        '<img src="https://pistage.test/1.gif"><a href="javascript:a()">a</a><a href="https://etnic.be">b</a>'
        '<base href="//x"><meta http-equiv="refresh"><!-- c --><svg onload=a()><object data=x></object>'
    )
    assert cleaning.cleaned(html, names={"1@x": 'é"<.png'}) == (
        '<p>Bonjour</p>[image : é"&lt;.png]<a rel="noopener noreferrer nofollow">a</a>'
        '<a href="https://etnic.be" rel="noopener noreferrer nofollow">b</a>'
    )


@pytest.mark.parametrize(
    "text",
    [
        "Le 14/11/2024, X a écrit :\n> a\n\nJe réponds dessous.",
        "> Avez-vous redémarré ?\nOui.\n> Et alors ?\nRien.",
        "Le principal a écrit à la Ministre hier. Que faire ?",
        "De : partir\nÀ : Namur",
        "-----",
        "",
    ],
)
def test_in_doubt_nothing_is_cut(text):
    assert quotes.split(text) == (text.strip(), "")


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Camille Fictive", "Camille", "Fictive"),
        ("Fictive, Camille", "Camille", "Fictive"),
        ("Direction", "", "Direction"),
        ("Anne-Marie d’Essai", "Anne-Marie", "d’Essai"),
        ("Gagnez sur exemple.test", "", ""),
        ("a@exemple.test", "", ""),
        ("<b>x</b>", "", ""),
        ("", "", ""),
    ],
)
def test_a_name_is_a_name_or_nothing(name, first, last):
    assert names_of(name) == (first, last)


def test_what_a_mail_holds_is_not_in_its_repr():
    mail = parse(FROM + b"Subject: Bonjour\n\nUn secret")
    assert isinstance(mail, Incoming)
    assert mail.own == "Un secret"
    assert "secret" not in repr(mail)
