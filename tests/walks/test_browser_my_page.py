"""« Ma boîte » and the two notices in a real browser, on a phone and on a computer."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from bma_portal import clock
from tests.factories import OrganisationFactory, UserFactory
from tests.factories_holders import GrantRequestFactory, HolderFactory, PasswordResetFactory, ResetGrantFactory
from tests.factories_migration import BatchFactory, MoveFactory
from tests.support.my_page_stage import AT, DAY, as_it_left
from tests.walks.mode_scenes import LONG_NAME
from tests.walks.sound import assert_sound_at_each_size, enter, follow

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


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


def open_all(page: Page) -> None:
    for summary in page.locator("main summary").all():
        summary.click()


@pytest.mark.parametrize("scene", SCENES)
def test_my_page_is_sound(tab, site, scene):
    clock.set_for_every_process(AT)
    person = UserFactory(first_name="Dominique", last_name="Exemple")
    SCENES[scene](person)
    enter(tab.context, site, person)
    tab.goto(site + "/ma-boite/")
    assert_sound_at_each_size(tab, f"ma-boite-{scene}")
    open_all(tab)
    assert_sound_at_each_size(tab, f"ma-boite-{scene}-ouvert")


def test_a_mail_is_read_again_from_the_page_with_dots(tab, site):
    clock.set_for_every_process(AT)
    person = UserFactory()
    one_box(person)
    enter(tab.context, site, person)
    tab.goto(site + "/ma-boite/")
    follow(tab, tab.locator(".mail-line a").nth(1))
    expect(tab.get_by_text("••••")).to_be_visible()
    assert_sound_at_each_size(tab, "ma-boite-courriel")
    follow(tab, tab.get_by_role("link", name="Retour à ma boîte"))
    expect(tab.get_by_role("heading", level=1)).to_have_text("Ma boîte")


@pytest.mark.parametrize("address", ["/vie-privee/", "/accessibilite/"])
def test_the_notices_are_sound(tab, site, address):
    tab.goto(site + address)
    open_all(tab)
    assert_sound_at_each_size(tab, address.strip("/"))
