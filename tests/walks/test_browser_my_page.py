"""« Ma boîte » and the two notices in a real browser, on a phone and on a computer."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from bma_portal import clock
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import GrantRequestFactory, HolderFactory, PasswordResetFactory, ResetGrantFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.sign_in import sign_in
from tests.support.my_page_stage import AT, DAY, as_it_left
from tests.walks.test_browser_public import LONG_NAME, assert_sound, photograph, site, tab  # noqa: F401  fixtures

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SIZES = {"telephone": {"width": 390, "height": 844}, "ordinateur": {"width": 1280, "height": 900}}


def enter(page: Page, url: str, user) -> None:
    """The cookie of a session that was opened elsewhere."""
    client = sign_in(Client(), user)
    name = settings.SESSION_COOKIE_NAME
    page.context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])


def one_box(person) -> None:
    move = MoveFactory(confirmed=True, mailbox__organisation__name=LONG_NAME)
    HolderFactory(user=person, organisation=move.mailbox.organisation)
    ResetGrantFactory(user=person, organisation=move.mailbox.organisation)
    as_it_left(move, 2, "migration.new_password", sensitive=True)
    person.cerbere_expires_on = DAY + timedelta(days=12)
    person.save()


def many_boxes(person) -> None:
    po, batch = OrganisationFactory(po_unit=True, mailbox=True), BatchFactory()
    HolderFactory(user=person, organisation=po)
    for n in range(6):
        box = MoveFactory(batch=batch, sent=n % 4, mailbox__po=False, mailbox__organisation__name=LONG_NAME).mailbox
        grant = ResetGrantFactory(user=person, organisation=box.organisation)
        if n == 1:
            PasswordResetFactory(mode=True, ready=True, path="mode", mailbox=box, requester=person, grant=grant)


def nothing(person) -> None:
    GrantRequestFactory(user=person, asked_at=AT)


SCENES = {"une-boite": one_box, "beaucoup": many_boxes, "aucune": nothing}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scene", SCENES)
def test_my_page_is_sound(tab, site, scene, size):  # noqa: F811
    clock.set_for_every_process(AT)
    person = UserFactory(first_name="Dominique", last_name="Exemple")
    SCENES[scene](person)
    tab.set_viewport_size(SIZES[size])
    enter(tab, site, person)
    tab.goto(site + "/ma-boite/")
    photograph(tab, f"ma-boite-{scene}-{size}")
    assert_sound(tab)
    for summary in tab.locator("main summary").all():
        summary.click()
    photograph(tab, f"ma-boite-{scene}-ouvert-{size}")
    assert_sound(tab)


def test_a_mail_is_read_again_from_the_page_with_dots(tab, site):  # noqa: F811
    clock.set_for_every_process(AT)
    person = UserFactory()
    one_box(person)
    tab.set_viewport_size(SIZES["telephone"])
    enter(tab, site, person)
    tab.goto(site + "/ma-boite/")
    tab.locator(".mail-line a").nth(1).click()
    expect(tab.get_by_text("••••")).to_be_visible()
    photograph(tab, "ma-boite-courriel")
    assert_sound(tab)
    tab.get_by_role("link", name="Retour à ma boîte").click()
    expect(tab.get_by_role("heading", level=1)).to_have_text("Ma boîte")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("address", ["/vie-privee/", "/accessibilite/"])
def test_the_notices_are_sound(tab, site, address, size):  # noqa: F811
    tab.set_viewport_size(SIZES[size])
    tab.goto(site + address)
    for summary in tab.locator("main summary").all():
        summary.click()
    photograph(tab, f"{address.strip('/')}-{size}")
    assert_sound(tab)
