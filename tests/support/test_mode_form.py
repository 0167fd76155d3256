"""The MODE form: who may open it, for which mailbox, from when to when; every refusal."""

import uuid
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import ResetGrant
from demo.directory import MemoryDirectory
from support import resets
from support.models import PasswordReset
from tests.factories import MailboxFactory, UserFactory
from tests.sign_in import sign_in
from tests.support.mode_stage import CHOOSE, NEEDED, check_url, in_phase, number, page_of, signed_in
from tests.support.pages import FULL_ADDRESS, Page
from tests.support.resets_stage import AT, box, gia, granted, holder, hors_mode_box

pytestmark = pytest.mark.django_db
GRANTED = "Vous avez la permission"


@pytest.fixture(autouse=True)
def a_monday_of_october_2025(it_is):
    MemoryDirectory.forget()
    it_is(date(2025, 10, 6), 10)


@pytest.fixture
def mailbox():
    return box()


@pytest.fixture
def person(client, mailbox):
    return signed_in(client, mailbox)


# Who may open what


def test_the_addresses_are_those_that_others_rely_on(mailbox):
    assert reverse("reset_mode") == CHOOSE
    assert check_url(mailbox) == f"{CHOOSE}{number(mailbox)}/"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_visitor_must_sign_in_and_comes_back_with_the_number(client, mailbox, method):
    public = PasswordReset(public=uuid.uuid4())
    for url in (f"{CHOOSE}?numero={number(mailbox)}", check_url(mailbox), page_of(public)):
        response = getattr(client, method)(url)
        assert response.status_code == 302
        assert response["Location"].startswith("/connexion/?next=%2Fmot-de-passe%2F")
    assert "numero%3D" in client.get(f"{CHOOSE}?numero=ec000247")["Location"]
    assert not PasswordReset.objects.exists()


ROLES = {
    "permission": (granted, True),
    "titulaire": (holder, False),
    "GIA": (gia, False),
    "personne": (lambda mailbox: UserFactory(), False),
    "administration": (lambda mailbox: UserFactory(superuser=True), False),
    "permission d’une autre": (lambda mailbox: granted(box()), False),
    "permission du PO": (lambda mailbox: granted(mailbox.organisation.po.mailbox), False),
}


@pytest.mark.parametrize("role", ROLES)
def test_only_the_permission_for_that_very_mailbox_opens_its_page(client, mailbox, role):
    make, may = ROLES[role]
    client.force_login(make(mailbox))
    for response in (client.get(check_url(mailbox)), client.post(check_url(mailbox), {"compris": "on"})):
        page = Page(response)
        page.assert_sound()
        assert page.status == (200 if may else 403)
        assert (NEEDED in page.text) is not may
    assert not PasswordReset.objects.exists()
    listed = Page(client.get(CHOOSE))
    assert (mailbox.address in listed.html) is may


DATES = [
    (date(2025, 10, 1), date(2025, 10, 10), None, True, "premier jour"),
    (date(2025, 9, 1), date(2025, 10, 1), None, True, "dernier jour"),
    (date(2025, 9, 1), date(2025, 9, 30), None, False, "finie la veille"),
    (date(2025, 9, 1), date(2025, 10, 10), date(2025, 10, 1), False, "retirée"),
]


@pytest.mark.parametrize(("starts", "ends", "revoked", "may", "case"), DATES, ids=[d[4] for d in DATES])
def test_the_permission_counts_from_its_first_day_to_its_last(
    client, mailbox, it_is, starts, ends, revoked, may, case
):
    user = granted(mailbox)
    ResetGrant.objects.update(starts_on=starts, ends_on=ends)
    if revoked:
        ResetGrant.objects.update(revoked_at=AT - timedelta(days=6), revoked_by="gia", revoked_why="départ")
    it_is(date(2025, 10, 1))
    client.force_login(user)
    assert client.get(check_url(mailbox)).status_code == (200 if may else 403)
    it_is(starts - timedelta(days=1), 23, 59)
    assert client.get(check_url(mailbox)).status_code == 403


PHASES = [
    ({}, ("Primaire ordinaire",), date(2024, 11, 3), "est prévu le mardi 12 novembre 2024", False),
    ({"announced": True}, ("Primaire ordinaire",), date(2024, 11, 11), "est prévu le mardi 12 novembre 2024", False),
    ({"credentials_sent": True}, ("Primaire ordinaire",), date(2024, 11, 12), "Ce qui va changer", True),
    ({"confirmed": True}, ("Primaire ordinaire",), date(2024, 12, 4), "à partir du vendredi 6 décembre 2024", True),
    ({"migrated": True}, ("Primaire ordinaire",), date(2024, 12, 6), "Ce qui va changer", True),
    ({"migrated": True}, ("CPMS",), date(2025, 8, 31), "n’est pas dans MODE", False),
    ({"migrated": True}, ("CPMS",), date(2025, 9, 1), "Ce qui va changer", True),
    ({"migrated": True}, ("CTA",), date(2025, 9, 1), "n’est pas dans MODE", False),
    ({"migrated": True}, ("Type jamais vu",), date(2025, 9, 1), "une personne décide", False),
]


@pytest.mark.parametrize(("facts", "types", "day", "words", "open_"), PHASES)
def test_phase_type_and_date_open_the_form_or_say_why_not(client, it_is, facts, types, day, words, open_):
    mailbox = in_phase(types, **facts)
    user = granted(mailbox, days=500)
    it_is(day)
    sign_in(client, user)
    page = Page(client.get(check_url(mailbox)))
    page.assert_sound()
    assert words in page.text
    assert ("Remplacer le mot de passe" in page.text) is open_
    if not open_ and "MODE" in words:
        assert f"/mot-de-passe/hors-mode/?numero={number(mailbox)}" in page.links
    response = client.post(check_url(mailbox), {"cle": uuid.uuid4(), "compris": "on"})
    assert response.status_code == (302 if open_ else 409)
    assert PasswordReset.objects.exists() is open_


# Choosing a mailbox


def test_ones_own_mailboxes_are_listed_in_full_and_no_other(client, mailbox, person):
    second = box()
    granted(second, person)
    other = box()
    page = Page(client.get(CHOOSE))
    page.assert_sound()
    assert set(FULL_ADDRESS.findall(page.text)) == {"ec"}
    assert mailbox.address in page.text
    assert second.address in page.text
    assert other.address not in page.html
    assert "checked" not in page.html


def test_a_single_mailbox_is_chosen_already(client, mailbox, person):
    assert Page(client.get(CHOOSE)).html.count("checked") == 1


@pytest.mark.parametrize("spelling", ["{kind}{fase:06d}", "{fase}", "{address}", "EC 0{fase}"])
def test_the_number_brought_along_is_chosen_already(client, mailbox, person, spelling):
    granted(box(), person)
    unit = mailbox.organisation
    typed = spelling.format(kind="ec", fase=unit.fase, address=mailbox.address)
    response = client.get(CHOOSE, {"numero": typed})
    assert response.context["form"]["numero"].value() == number(mailbox)


@pytest.mark.parametrize(
    ("make", "words", "link"),
    [
        (hors_mode_box, "ce n’est pas ce formulaire", "/mot-de-passe/hors-mode/?numero="),
        (lambda: box(types=("Type jamais vu",)), "une personne décide", "/mot-de-passe/hors-mode/?numero="),
        (box, NEEDED, "/mode/?numero="),
    ],
)
def test_a_number_that_is_not_ones_own_leads_to_its_form_or_to_its_gia(client, person, make, words, link):
    other = make()
    page = Page(client.get(CHOOSE, {"numero": number(other)}))
    page.assert_sound()
    assert words in page.text
    assert other.address not in page.text
    assert f"{link}{number(other)}" in page.links
    assert GRANTED in page.text  # and one's own are still there


def test_without_any_permission_the_page_says_who_grants_it_and_how_to_ask(client):
    client.force_login(UserFactory())
    page = Page(client.get(CHOOSE))
    page.assert_sound()
    assert NEEDED in page.text
    assert "gestionnaire des identités et des accès (GIA)" in page.text
    assert "/mode/" in page.links
    assert "puis au Service Desk de l’ETNIC" in page.text
    assert "mailto:support@etnic.be" in page.html
    assert 'type="radio"' not in page.html


def test_nothing_shows_whether_somebody_else_may_or_does_ask(client, mailbox):
    """The same page whoever holds the mailbox, whoever has the permission, whatever is under way (D7)."""
    quiet, busy = box(), mailbox
    holder(busy)
    gia(busy)
    resets.ask_in_mode(busy, by=granted(busy), at=AT)
    client.force_login(UserFactory())
    pages, costs = [], []
    for one in (quiet, busy):
        for url in (check_url(one), f"{CHOOSE}?numero={number(one)}"):
            with CaptureQueriesContext(connection) as queries:
                pages.append(Page(client.get(url)).text.replace(number(one), "N"))
            costs.append(len(queries))
    assert costs[:2] == costs[2:]
    assert pages[:2] == pages[2:]


def test_the_choice_leads_to_the_check_page_and_writes_nothing(client, mailbox, person):
    response = client.post(CHOOSE, {"numero": number(mailbox)})
    assert response["Location"] == check_url(mailbox)
    assert not PasswordReset.objects.exists()


@pytest.mark.parametrize("typed", ["", "ec999999", "%00", "ec00%ED%A0%80", "%FF%FE", "x" * 100_000, "../hors-mode"])
def test_a_choice_that_is_not_offered_is_an_error(client, person, typed):
    other = box()
    for value in (typed, number(other)):
        body = f"numero={value}"
        page = Page(client.post(CHOOSE, body, content_type="application/x-www-form-urlencoded"))
        page.assert_sound()
        assert page.title.startswith("Erreur : ")
        assert "id_numero_0" in page.ids


def test_thirty_mailboxes_cost_no_more_queries_than_three(client, person, django_assert_max_num_queries):
    for _ in range(30):
        granted(MailboxFactory(), person)
    with django_assert_max_num_queries(12):
        client.get(CHOOSE)


def test_numbers_that_are_not_ones_own_are_counted(client, person):
    answers = [client.get(CHOOSE, {"numero": str(70_000 + n)}).status_code for n in range(21)]
    assert 429 in answers
    assert client.get(CHOOSE).status_code == 200
