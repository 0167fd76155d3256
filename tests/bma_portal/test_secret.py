"""A Secret is written down nowhere by accident (SEC-C5)."""

import copy
import json
import logging
import pickle
import sys

import pytest
from django.core.serializers.json import DjangoJSONEncoder
from django.template import Context, Template
from django.test import RequestFactory
from django.views.debug import ExceptionReporter
from kombu.exceptions import EncodeError

from bma_portal.celery import app
from bma_portal.secret import Secret

CANARY = "xkqz-7Bdf-canari"


@pytest.mark.parametrize(
    "write",
    [
        str,
        "{}".format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret:>20}",
        lambda secret: "%s" % secret,  # noqa: UP031
        lambda secret: "" + secret,
        lambda secret: "".join([secret]),
        json.dumps,
        lambda secret: json.dumps({"a": [secret]}, cls=DjangoJSONEncoder),
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        hash,
        iter,
        bytes,
        lambda secret: Template("{{ secret }}").render(Context({"secret": secret})),
    ],
)
def test_it_refuses_to_be_written(write):
    with pytest.raises((TypeError, ValueError)) as refused:
        write(Secret(CANARY))
    assert CANARY not in str(refused.value)


def test_its_repr_is_masked():
    assert repr(Secret(CANARY)) == "Secret(••••)"
    assert CANARY not in repr({"a": [Secret(CANARY)]})
    assert not hasattr(Secret(CANARY), "__dict__")


def test_it_is_compared_by_value_and_only_with_its_like():
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret(CANARY).reveal() == CANARY


def reports() -> list[str]:
    """Django's error reports of an exception raised while a Secret is at hand: the page, the mail."""

    def place(mot_de_passe, liste):
        raise ValueError("refusé")

    try:
        place(Secret(CANARY), [Secret(CANARY)])
    except ValueError:
        reporter = ExceptionReporter(RequestFactory().get("/"), *sys.exc_info())
        return [reporter.get_traceback_html(), reporter.get_traceback_text()]
    return []


def test_django_s_error_reports_show_the_variable_and_not_the_secret(settings):
    settings.DEBUG = True
    html, text = reports()
    assert "mot_de_passe" in html
    assert "Secret(••••)" in html
    assert CANARY not in html + text


def test_a_task_cannot_carry_one(caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises((EncodeError, TypeError)) as refused:
        app.send_task("tests.none", args=[Secret(CANARY)], kwargs={"mot": Secret(CANARY)})
    assert CANARY not in str(refused.value) + caplog.text
