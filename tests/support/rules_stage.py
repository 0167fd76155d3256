"""What the tests of `/desk/regles/` share: agents, pages, the form of a change."""

from datetime import date

from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from bma_portal.clock import brussels
from support.models import RoutingRule
from tests.factories import UserFactory
from tests.sign_in import sign_in
from tests.support.pages import Page

NOW = brussels(date(2024, 11, 15), 10)
TOMORROW = "2024-11-16"


def person(*groups):
    user = UserFactory(username="-".join(groups), staff=True)
    user.groups.set(Group.objects.filter(name__in=groups))
    return user


def agent(*groups, strong=True):
    return sign_in(Client(), person(*groups), strong=strong)


def opened(client, name, *args, **query):
    page = Page(client.get(reverse(name, args=args), query))
    assert page.status == 200
    page.assert_sound()
    return page


def current(need, position=10):
    return RoutingRule.objects.on(date(2024, 11, 15)).get(need=need, position=position)


def values(rule, **changed):
    return {
        "outcome": rule.outcome,
        "team": rule.team,
        "also": rule.also,
        "stages": rule.stages,
        "reason": rule.reason,
        "source": rule.source,
        "starts_on": TOMORROW,
        "why": "Le SGNE et l’ETNIC se sont accordés.",
    } | changed


def posted(client, rule, **changed):
    response = client.post(reverse("desk_rule_change", args=[rule.pk]), values(rule, **changed))
    page = Page(response)
    if page.status == 200 and not any("ethn" in str(typed) for typed in changed.values()):  # what was typed is kept
        page.assert_sound()
    return page
