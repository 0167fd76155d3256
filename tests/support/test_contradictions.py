"""The register K1 to K13: whole, dated, signed, and its tests exist (H11)."""

import ast
import re
from pathlib import Path

import pytest
from django.urls import reverse

from support.contradictions import REGISTER
from tests.support.staff_stage import reader

ROOT = Path(__file__).resolve().parents[2]


def test_the_thirteen_rows_are_there_each_with_two_sides_a_decision_and_who_took_it():
    assert [row.key for row in REGISTER] == [f"K{n}" for n in range(1, 14)]
    for row in REGISTER:
        assert len(row.sides) >= 2, row.key
        assert row.decision
        assert row.why
        assert row.by
        assert all(re.match(r"S[0-4]\b", side.source) for side in row.sides), row.key


@pytest.mark.parametrize("row", REGISTER, ids=lambda row: row.key)
def test_the_tests_that_it_names_exist(row):
    assert row.tests
    for name in row.tests:
        path, _, function = name.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert not function or function in functions, name
        assert any(found.startswith("test_") for found in functions), name
    assert all(name in row.command for name in row.tests)


def test_the_wrong_domain_is_nowhere_in_it():
    assert "ethnic" not in repr(REGISTER)


@pytest.mark.django_db
def test_staff_read_all_of_it():
    page = reader("Auditeur").get(reverse("contradictions")).content.decode()
    for row in REGISTER:
        assert f'id="{row.key}"' in page
        assert row.tests[0] in page
    assert page.count("22 novembre 2026") == len(REGISTER)
