"""A banner is said to those it is for, from its hour to its hour, and costs a page one statement (G11)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Permission
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.template import Context, Template
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bma_portal import clock
from support import context
from support.banners import banners_for
from support.models import Banner
from tests.factories import UserFactory
from tests.factories_holders import DAY, NOON
from tests.sign_in import sign_in
from tests.support.pages import Page
from tests.support.tickets_stage import agent

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
LINE = '{% if banners %}{% include "components/banner.html" with banners=banners only %}{% endif %}'


def banner(text: str = "La messagerie est lente ce matin.", **facts) -> Banner:
    return Banner.objects.create(**({"text": text, "starts_at": NOON - HOUR, "ends_at": NOON + HOUR} | facts))


def shown(user, at=NOON, template: str = LINE) -> str:
    request = RequestFactory().get("/")
    request.user, request.at = user, at
    html = Template(template).render(Context(context.banners(request)))
    return html.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("at", "seen"),
    [
        (NOON - 2 * HOUR, False),
        (NOON - HOUR, True),
        (NOON + HOUR - timedelta(seconds=1), True),
        (NOON + HOUR, False),
    ],
)
def test_it_is_said_from_its_hour_to_its_hour(at, seen):
    banner()
    assert ("La messagerie est lente" in shown(AnonymousUser(), at)) is seen


@pytest.mark.parametrize(
    ("audience", "seen_by"),
    [
        ("everyone", {"visitor", "holder", "staff"}),
        ("signed_in", {"holder", "staff"}),
        ("staff", {"staff"}),
    ],
)
def test_it_is_said_to_those_it_is_for(audience, seen_by):
    banner(audience=audience)
    people = {"visitor": AnonymousUser(), "holder": UserFactory(), "staff": UserFactory(staff=True)}
    assert {name for name, user in people.items() if "lente" in shown(user)} == seen_by


@pytest.mark.parametrize("team", ["priminfo", "enseignement_be"])
def test_whoever_works_at_the_desk_is_of_the_teams(team, client):
    banner(audience="staff")
    one = agent(team)
    assert not one.is_staff
    clock.set_for_every_process(NOON)
    sign_in(client, one)
    for path in ("/desk/", "/"):
        page = Page(client.get(path))
        assert "lente" in page.text, path
    sign_in(client, UserFactory())
    assert "lente" not in Page(client.get("/")).text


def test_a_banner_for_the_teams_costs_a_page_no_statement_more(client):
    clock.set_for_every_process(NOON)
    for person in (agent("priminfo"), UserFactory(), UserFactory(staff=True)):
        sign_in(client, person)
        client.get("/")
        Banner.objects.all().delete()
        with CaptureQueriesContext(connection) as without:
            client.get("/")
        banner(audience="staff")
        with CaptureQueriesContext(connection) as with_one:
            client.get("/")
        assert len(with_one) == len(without), person


def test_the_gravest_comes_first_and_says_its_kind_in_words():
    banner("Nouvelle page d’aide.", kind="info", starts_at=NOON - 5 * HOUR)
    banner("Cerbère ne répond pas : réessayez à 14 h.", kind="incident")
    html = shown(AnonymousUser())
    assert html.index("Incident :") < html.index("Information :")


def test_its_text_is_text():
    banner('<b>Gras</b> <a href="https://exemple.test">ici</a>')
    html = shown(AnonymousUser())
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


def test_a_page_asks_once_and_whoever_shows_none_asks_nothing(django_assert_num_queries):
    banner()
    with django_assert_num_queries(1):
        assert shown(AnonymousUser(), template=LINE + LINE).count("lente") == 2
    with django_assert_num_queries(0):
        shown(AnonymousUser(), template="rien")


def test_it_ends_after_it_begins_says_something_and_never_names_a_foreign_domain():
    for facts in ({"ends_at": NOON - HOUR}, {"text": ""}, {"text": "Écrivez à aide@ethn" + "ic.be"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            banner(**facts)
    with pytest.raises(ValidationError):
        Banner(text="aide@ethn" + "ic.be", starts_at=NOON, ends_at=NOON + HOUR).full_clean()


def test_staff_write_it_in_french_and_sign_it(client):
    clock.set_for_every_process(NOON)
    user = UserFactory(staff=True, first_name="Alix", last_name="Exemple")
    codenames = [f"{verb}_banner" for verb in ("view", "add", "change")]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    client.force_login(user)
    facts = {
        "kind": "night", "text": "Cette nuit, 200 boîtes migrent.", "audience": "everyone", "source": "",
        "starts_at_0": DAY.isoformat(), "starts_at_1": "18:00", "ends_at_0": DAY.isoformat(), "ends_at_1": "17:00",
    }  # fmt: skip
    url = reverse("admin:support_banner_add")
    refused = Page(client.post(url, facts))
    assert "La fin d’un bandeau suit son début." in refused.text
    assert client.post(url, facts | {"ends_at_1": "23:00"}).status_code == 302
    written = Banner.objects.get()
    assert written.by == "Alix Exemple"
    assert banners_for(AnonymousUser(), written.starts_at) == [written]
    listed = Page(client.get(reverse("admin:support_banner_changelist")))
    assert "à venir" in listed.text
    assert client.get(reverse("admin:support_banner_delete", args=[written.pk])).status_code == 403
