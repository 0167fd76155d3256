"""« Ma boîte »: what each quality shows, and what it hides; what a mail says again, and what it never does."""

from datetime import date, timedelta

import pytest

from accounts.models import Contact
from bma_portal import clock
from bma_portal.clock import brussels
from migration.models import Batch, Mailing
from support.contacts import contact_for
from support.status import status_of
from tests.factories import MailboxFactory, OrganisationFactory
from tests.factories_holders import (
    CredentialFactory,
    GiaFactory,
    GrantRequestFactory,
    HolderFactory,
    PasswordResetFactory,
    ResetGrantFactory,
)
from tests.factories_migration import BatchFactory, MoveFactory
from tests.sign_in import sign_in
from tests.support.my_page_stage import DAY, as_it_left, holds, may_reset, notice, other_s_request
from tests.support.pages import FULL_ADDRESS

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def that_day(it_is):
    it_is(DAY)


# Who sees what


def test_a_visitor_is_sent_to_the_sign_in(client):
    for path in ("/ma-boite/", "/ma-boite/courriel/9f4ac1a2-6a55-4cf0-a0a0-1fb1d6a6a001/"):
        response = client.get(path)
        assert response.status_code == 302
        assert response["Location"].startswith("/connexion/")


def test_a_person_without_mailbox_is_told_how_to_get_one(my_page):
    MoveFactory(announced=True)
    page = my_page()
    assert "Aucune boîte ne vous est liée" in page.text
    assert "/mode/" in page.links
    assert "@adm.cfwb.be" not in page.text


def test_a_problem_begins_with_the_mailbox_that_is_known(my_page, person):
    one = MoveFactory(announced=True).mailbox
    holds(person, one)
    page = my_page()
    assert f"/assistant/?numero={one.address[:8]}" in page.links
    assert page.links.count("/assistant/") == 1  # that of the head of the pages
    two, gone = MoveFactory(announced=True).mailbox, OrganisationFactory(mailbox=True, closed_on=DAY).mailbox
    holds(person, two)
    holds(person, gone)
    page = my_page()
    for box in (one, two):
        assert f"/assistant/?numero={box.address[:8]}" in page.links
    assert f"/assistant/?numero={gone.address[:8]}" not in page.links
    assert page.links.count("/assistant/") == 2


def test_a_permission_that_was_asked_for_is_shown_until_it_is_answered(my_page, person):
    asked = GrantRequestFactory(user=person)
    assert f"{asked.organisation.name} ({asked.organisation.number}), demandée le" in my_page().text
    asked.status = "declined"
    asked.save()
    assert asked.organisation.name not in my_page().text


def test_the_titulaire_reads_the_phase_what_comes_next_and_the_interface(my_page, person):
    move = MoveFactory(confirmed=True)
    holds(person, move.mailbox)
    page = my_page()
    assert page.h1 == 1
    assert move.mailbox.address in page.text
    assert "La date de la migration est confirmée." in page.text
    assert "dans la nuit du jeudi 7 au vendredi 8 novembre 2024" in page.text
    assert "Ouvrir l’interface actuelle" in page.text
    assert "Vous en êtes titulaire depuis le 1er septembre 2024" in page.text
    assert f"/mot-de-passe/?lequel=nouveau&numero={move.mailbox.address[:8]}" in page.links


MAIL_2, REPLACED = "Le mot de passe est celui du mail 2", "Le mot de passe a été remplacé le lundi 11 novembre 2024"


@pytest.mark.parametrize(
    ("set_on", "purpose", "words"),
    [
        (date(2024, 11, 11), "reset", REPLACED),
        (date(2024, 11, 11), "lock", REPLACED),  # stopped: nobody knows it, and that of mail 2 serves no more
        (date(2024, 11, 11), "migration", MAIL_2),
        (date(2024, 11, 13), "reset", MAIL_2),  # on the 12th it had not been replaced
        (None, "reset", MAIL_2),  # the directory has not got it yet
    ],
)
def test_a_replaced_password_is_no_longer_said_to_be_that_of_mail_2(my_page, person, it_is, set_on, purpose, words):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    CredentialFactory(mailbox=box, purpose=purpose, applied_at=set_on and brussels(set_on, 10))
    it_is(date(2024, 11, 12))
    text = my_page().text
    assert words in text
    assert (MAIL_2 in text) != (REPLACED in text)


def test_before_the_night_a_replaced_password_is_not_to_be_looked_for_in_mail_2(my_page, person):
    box = MoveFactory(confirmed=True).mailbox
    holds(person, box)
    CredentialFactory(mailbox=box, applied_at=brussels(date(2024, 11, 5), 10))
    text = my_page().text
    assert "Le nouveau mot de passe, remplacé le mardi 5 novembre 2024, ne servira qu’à ce moment-là" in text
    assert "gardez ce mail" not in text


def test_that_a_password_was_replaced_is_told_to_the_titulaire_and_to_who_asked_alone(my_page, person, client, it_is):
    """As the notices of a request are (D7): not to somebody else who has the permission, nor to a visitor."""
    box = MoveFactory(migrated=True).mailbox
    grant = may_reset(person, box)
    reset = other_s_request(box, shown=True)
    reset.credential.applied_at = brussels(date(2024, 11, 11), 10)
    reset.credential.save()
    it_is(date(2024, 11, 12))
    assert "celui du mail 2, sauf s’il a été changé depuis" in my_page().text
    assert REPLACED not in my_page().text
    assert "remplacé" not in client.get(f"/ma-boite/etat/?numero={box.address[:8]}").content.decode()
    reset.requester, reset.grant = person, grant
    reset.save()
    assert REPLACED in my_page().text


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({}, "Vous n’avez pas la permission de réinitialiser"),
        ({"grant": True}, "Vous pouvez réinitialiser son mot de passe jusqu’au 31 août 2027"),
    ],
)
def test_the_permission_and_its_end_are_said(my_page, person, facts, words):
    box = MoveFactory(announced=True).mailbox
    holds(person, box)
    if facts:
        may_reset(person, box)
    assert words in my_page().text


@pytest.mark.parametrize("trait", [{"over": True}, {"revoked": True}, {"to_come": True}])
@pytest.mark.parametrize("factory", [HolderFactory, ResetGrantFactory, GiaFactory])
def test_a_quality_that_is_not_in_force_shows_nothing(my_page, person, factory, trait):
    """The factories' dates are those of October 2026."""
    clock.set_for_every_process(brussels(date(2026, 10, 15), 12))
    row = factory(user=person, **trait)
    page = my_page()
    assert row.organisation.name not in page.text
    assert "Aucune boîte ne vous est liée" in page.text


def test_the_last_day_counts_whole_and_the_day_after_nothing(my_page, person):
    grant = may_reset(person, MoveFactory(migrated=True).mailbox, ends_on=date(2025, 1, 10))
    clock.set_for_every_process(brussels(date(2025, 1, 10), 23, 59))
    assert grant.organisation.name in my_page().text
    clock.set_for_every_process(brussels(date(2025, 1, 11), 0))
    assert grant.organisation.name not in my_page().text


def test_a_gia_sees_the_box_of_the_unit_and_not_those_of_its_establishments(my_page, person):
    po = OrganisationFactory(po_unit=True, mailbox=True)
    school = OrganisationFactory(po=po, mailbox=True)
    GiaFactory(user=person, organisation=po)
    page = my_page()
    assert po.mailbox.address in page.text
    assert "Vous en gérez les accès (GIA)" in page.text
    assert school.mailbox.address not in page.html


def test_three_qualities_towards_one_unit_make_one_box(my_page, person):
    box = MoveFactory(migrated=True).mailbox
    for factory in (HolderFactory, ResetGrantFactory, GiaFactory):
        factory(user=person, organisation=box.organisation)
    page = my_page()
    assert page.html.count(f'id="{box.address[:8]}"') == 1
    assert "Ma boîte – Portail BMA" in page.title


def test_a_unit_that_closed_is_said_to_be_out_of_service(my_page, person):
    unit = OrganisationFactory(mailbox=True, closed_on=date(2024, 9, 1))
    holds(person, unit.mailbox)
    page = my_page()
    assert "Cette boîte n’est plus en service." in page.text
    assert "Ouvrir l’interface" not in page.text


def test_a_unit_without_mailbox_breaks_nothing(my_page, person):
    HolderFactory(user=person, organisation=OrganisationFactory())
    assert "Aucune boîte ne vous est liée" in my_page().text


# Cerbère


@pytest.mark.parametrize(
    ("days", "words", "urgent"),
    [
        (40, "expire dans 40 jours, le lundi 16 décembre 2024", False),
        (16, "expire dans 16 jours", False),
        (15, "Il expire dans 15 jours", True),
        (12, "Il expire dans 12 jours, le lundi 18 novembre 2024", True),
        (1, "Il expire demain", True),
        (0, "Il expire aujourd’hui", True),
        (-1, "Il n’est plus valable depuis le mardi 5 novembre 2024", True),
    ],
)
def test_the_end_of_the_cerbere_password_is_said_with_the_way_out_when_it_is_near(
    my_page, person, days, words, urgent
):
    person.cerbere_expires_on = DAY + timedelta(days=days)
    person.save()
    page = my_page()
    assert words in page.text
    assert ("Mot de passe oublié" in page.text) is urgent
    if 0 < days <= 15:
        assert f"<strong>{'demain' if days == 1 else f'dans {days} jours'}</strong>" in page.html


def test_an_expiry_that_is_not_known_is_not_spoken_of(my_page):
    assert "Cerbère expire" not in my_page().text


# Requests (D7)


def test_one_s_own_request_is_told_in_detail_with_its_link(my_page, person):
    box = MoveFactory(migrated=True).mailbox
    grant = may_reset(person, box)
    reset = PasswordResetFactory(mode=True, ready=True, path="mode", mailbox=box, requester=person, grant=grant)
    page = my_page()
    assert reset.reference in page.text
    assert "Votre nouveau mot de passe est prêt" in page.text
    assert f"/mot-de-passe/demande/{reset.public}/" in page.links


def test_someone_else_s_request_is_told_to_the_titulaire_without_a_name(my_page, person):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    reset = other_s_request(box)
    page = my_page()
    assert "Une demande est en cours" in page.text
    for hidden in (reset.reference, str(reset.public), "Sacha", "Ailleurs"):
        assert hidden not in page.html


@pytest.mark.parametrize("factory", [ResetGrantFactory, GiaFactory])
def test_someone_else_s_request_is_not_told_to_a_colleague_nor_to_a_gia(my_page, person, factory):
    box = MoveFactory(migrated=True).mailbox
    factory(user=person, organisation=box.organisation)
    before = my_page().text
    reset = other_s_request(box)
    notice(reset, "reset.asked", box.address)
    assert my_page().text == before


@pytest.mark.parametrize("state", ["refused", "closed", "shown"])
def test_a_request_that_ended_is_in_progress_for_nobody(my_page, person, state):
    box = MoveFactory(migrated=True).mailbox
    holds(person, box)
    PasswordResetFactory(mailbox=box, **{state: True})
    assert "demande est en cours" not in my_page().text


# Contacts (S1 §3, §6, §7)

TURNS = [
    ({}, date(2024, 10, 6), "enseignement_be"),
    ({"sent": 1}, date(2024, 10, 10), "enseignement_be"),
    ({"sent": 2}, date(2024, 10, 14), "etnic"),
    ({"sent": 2}, date(2024, 11, 5), "etnic"),
    ({"sent": 2}, date(2024, 11, 6), "sgne"),  # mail 3 is late
    ({"sent": 3}, date(2024, 11, 7), "etnic"),
    ({"sent": 4}, date(2024, 11, 8), "sgne"),  # the night's result is awaited
    ({"failed": True}, date(2024, 11, 12), "sgne"),
    ({"sent": 1, "batch__status": Batch.Status.PAUSED}, date(2024, 10, 10), "sgne"),
    ({"migrated": True}, date(2024, 11, 8), "etnic"),
    ({"migrated": True}, date(2025, 9, 1), "etnic"),
    ({"sent": 1}, date(2025, 4, 24), "sgne"),
    ({"sent": 1}, date(2025, 4, 25), "etnic"),  # the old server is closed
]


@pytest.mark.parametrize(("facts", "day", "team"), TURNS)
def test_the_contact_that_is_right_follows_the_phase_and_the_day(facts, day, team):
    at = brussels(day, 12)
    assert contact_for(status_of(MoveFactory(**facts).mailbox, at), at).team == team


@pytest.mark.parametrize(("day", "team"), [(date(2024, 10, 31), "enseignement_be"), (date(2024, 11, 1), "sgne")])
def test_without_a_date_sgne_answers_once_the_window_is_over(day, team):
    at = brussels(day, 12)
    assert contact_for(status_of(MailboxFactory(po=True), at), at).team == team


def test_the_contact_is_shown_with_its_hours(my_page, person):
    holds(person, MoveFactory(confirmed=True).mailbox)
    assert "Ouvert jusqu’à 17 h" in my_page().text
    clock.set_for_every_process(brussels(date(2024, 11, 6), 18))
    assert "Ouvre demain à 8 h" in my_page().text


def test_a_team_that_cannot_be_reached_leaves_no_empty_card(my_page, person):
    Contact.objects.all().delete()
    holds(person, MoveFactory(confirmed=True).mailbox)
    assert "Votre contact aujourd’hui" not in my_page().text


# Size


def many(person, count: int) -> None:
    batch = BatchFactory()
    po = OrganisationFactory(po_unit=True, mailbox=True)
    holds(person, po.mailbox)
    for n in range(count):
        box = MoveFactory(batch=batch, sent=n % 4, mailbox__po=False, mailbox__organisation__po=po).mailbox
        may_reset(person, box)
        if n % 5 == 0:
            other_s_request(box)


def queries(client, django_assert_max_num_queries) -> int:
    with django_assert_max_num_queries(40) as captured:
        assert client.get("/ma-boite/").status_code == 200
    return len(captured)


@pytest.mark.parametrize("few", [1])
def test_forty_mailboxes_cost_as_many_queries_as_one(client, person, django_assert_max_num_queries, few):
    sign_in(client, person)
    client.get("/ma-boite/")
    many(person, few)
    cost = queries(client, django_assert_max_num_queries)
    many(person, 40)
    assert queries(client, django_assert_max_num_queries) == cost
    assert cost <= 25, cost


def test_many_mailboxes_begin_with_their_list_the_po_first_and_are_folded(my_page, person):
    many(person, 5)
    page = my_page()
    assert "Mes 6 boîtes" in page.text
    assert page.html.count("<details") == 6
    assert page.links.index(next(link for link in page.links if link.startswith("#po"))) < page.links.index(
        next(link for link in page.links if link.startswith("#ec"))
    )


def test_looking_writes_nothing(client, person, django_assert_max_num_queries):
    move = MoveFactory(credentials_sent=True)
    holds(person, move.mailbox)
    mail = as_it_left(move, 2, "migration.new_password", sensitive=True)
    sign_in(client, person)
    for path in ("/ma-boite/", f"/ma-boite/courriel/{mail.uuid}/"):
        with django_assert_max_num_queries(40) as captured:
            client.get(path)
        written = [
            q["sql"] for q in captured if not q["sql"].lstrip().upper().startswith(("SELECT", "SAVEPOINT", "RELEASE"))
        ]
        assert [sql for sql in written if "django_session" not in sql and "usersessions" not in sql] == []
    assert client.post("/ma-boite/").status_code == 405
    assert Mailing.objects.count() == 4


def test_the_public_page_stays_masked_even_for_the_titulaire(my_page, person):
    box = MoveFactory(confirmed=True).mailbox
    holds(person, box)
    page = my_page(f"/ma-boite/etat/?numero={box.address[:8]}")
    assert box.masked_address in page.text
    assert not FULL_ADDRESS.search(page.html)
