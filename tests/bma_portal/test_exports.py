"""Files for a spreadsheet (SEC-F6): read again with csv and openpyxl; what a list shows, and who took it."""

import csv
import io
import re
from datetime import UTC, date, datetime

import openpyxl
import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import mark_safe

from accounts.models import Organisation
from bma_portal import exports, exports_admin
from bma_portal.models import AuditEntry
from bma_portal.readonly import NEVER_LOOKED_UP
from migration.models import Batch
from migration.phases import Phase
from tests.factories import MailboxFactory, OrganisationFactory, UserFactory
from tests.factories_migration import BatchFactory, MoveFactory

STARTS = [
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\0",
    "＝",
    "＋",
    "－",
    "＠",
    "﹦",
    " =",
    "\u00a0=",
    "\u200b=",
    "\ufeff＝",
]
ATTACK = "cmd|' /C calc'!A0"


@pytest.fixture
def staff(db) -> Client:
    client = Client()
    client.force_login(UserFactory(username="lena", superuser=True))
    return client


def body(answer) -> bytes:
    return b"".join(answer.streaming_content)


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def read_xlsx(content: bytes):
    return openpyxl.load_workbook(io.BytesIO(content)).active


# The cells


@pytest.mark.parametrize("start", STARTS)
def test_no_cell_is_a_formula(start):
    written = exports.safe(f"{start}{ATTACK}")
    assert written.startswith("'")
    assert not re.search(r"[\t\r\n\0]", written)


def test_an_ordinary_cell_is_as_it_was_written():
    for text in ("École des Essais ; « 3-4 »", "lot 3 (PO)", "", "l’été", "a\u00a0b", "ec000247@adm.cfwb.be"):
        assert exports.safe(text) == text


def test_values_are_written_as_a_person_of_brussels_reads_them():
    moment = datetime(2024, 10, 27, 1, 30, tzinfo=UTC)  # the clocks have just gone back
    values = [None, True, False, 12, moment, date(2024, 11, 7), ["a", "b"], 1.5]
    assert [exports.written(value) for value in values] == [
        "", "oui", "non", 12, "27/10/2024 02:30", "07/11/2024", "a, b", "1.5",
    ]  # fmt: skip


def test_a_csv_opens_right_in_a_french_excel():
    content = "".join(exports.csv_rows(["Nom", "=Total"], [["École ; « Ça »", 3], ['dit "oui"\nà tous', None]]))
    assert content.startswith("\N{ZERO WIDTH NO-BREAK SPACE}")
    assert content.count("\r\n") == 3
    assert content.count("\n") == 3
    assert read_csv(content.encode()) == [["Nom", "'=Total"], ["École ; « Ça »", "3"], ['dit "oui" à tous', ""]]


def test_an_xlsx_types_what_is_written_as_text():
    hostile = [f"{start}{ATTACK}" for start in STARTS]
    rows = [[text, 7, 10**20, "x" * 40_000, "\uffff", None] for text in hostile]
    with exports.xlsx_rows(["Nom", "n", "grand", "long", "signe", "rien"], rows, title="Boîtes : [toutes]") as file:
        sheet = read_xlsx(file.read())
    assert sheet.freeze_panes == "A2"
    assert sheet.max_row == len(hostile) + 1
    for line in sheet.iter_rows(min_row=2):
        words, number, great, long, sign, nothing = line
        assert (words.data_type, words.number_format) == ("s", "@")
        assert words.value.startswith("'")
        assert (number.value, number.data_type) == (7, "n")
        assert (great.value, great.data_type) == (str(10**20), "s")
        assert len(long.value) == exports.LONGEST_CELL
        assert sign.value in {" ", None}
        assert nothing.value is None


def test_a_cell_has_no_markup():
    badge = format_html('<span class="badge">{}</span><br><b>{}</b>', "en cours & plus", "cinq <boîtes>")
    assert exports_admin.plain(badge) == "en cours & plus cinq <boîtes>"
    assert exports_admin.plain(mark_safe("<p>a</p><p>b</p>")) == "a b"
    assert exports_admin.plain("<b> n’est pas du balisage") == "<b> n’est pas du balisage"


# The lists


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_every_list_of_the_admin_is_exported_and_shows_it(staff, form):
    MoveFactory(migrated=True)
    names = [f"{model._meta.app_label}_{model._meta.model_name}" for model in site._registry]
    assert len(names) > 20
    for name in names:
        listed = staff.get(reverse(f"admin:{name}_changelist"))
        if listed.status_code == 403:  # passwords set by hand, where none is
            continue
        assert f"Exporter ({form.upper()})" in listed.content.decode(), name
        content = body(staff.get(reverse(f"admin:{name}_export_{form}")))
        headings = read_csv(content)[0] if form == "csv" else [cell.value for cell in read_xlsx(content)[1]]
        assert headings, name
        assert all(headings), name


def test_a_file_holds_what_the_list_shows_filtered_searched_and_in_its_order(staff):
    batch = BatchFactory(number=3)
    for n in range(3):
        MoveFactory(announced=True, batch=batch, mailbox__organisation__name=f"=École {n}")
    MoveFactory(confirmed=True, batch=batch)
    MailboxFactory()
    url = reverse("admin:accounts_mailbox_changelist")
    page = staff.get(url, {"phase": Phase.ANNOUNCED, "o": "-1", "p": "1"})
    shown = [box.address for box in page.context["cl"].result_list]
    link = dict(page.context["exports"])["CSV"]
    assert "phase=announced" in link
    assert "p=1" not in link
    answer = staff.get(link)
    headings, *rows = read_csv(body(answer))
    assert headings[:2] == ["Adresse", "Unité"]
    assert [row[0] for row in rows] == shown
    assert len(rows) == 3
    assert {row[1] for row in rows} == {f"'=École {n}" for n in range(3)}
    assert all("annoncée" in row for row in rows)
    assert re.fullmatch(r'attachment; filename="boites-\d{4}-\d\d-\d\d\.csv"', answer.headers["Content-Disposition"])
    entry = AuditEntry.objects.filter(action="list.exported").latest("seq")
    assert (entry.actor, entry.object_type, entry.details["lignes"]) == ("lena", "accounts.mailbox", 3)
    assert "phase=announced" in entry.details["filtre"]


def test_what_a_list_adds_to_its_rows_is_in_the_file_whatever_the_chunks(staff, monkeypatch):
    monkeypatch.setattr(exports_admin, "CHUNK", 2)
    for number in range(1, 6):
        MoveFactory(migrated=True, batch=BatchFactory(number=number, status=Batch.Status.RUNNING))
    sheet = read_xlsx(body(staff.get(reverse("admin:migration_batch_export_xlsx"))))
    headings, *rows = [[cell.value for cell in line] for line in sheet.iter_rows()]
    assert [row[0] for row in rows] == [1, 2, 3, 4, 5]
    assert {row[headings.index("Boîtes")] for row in rows} == {1}
    assert {row[headings.index("État")] for row in rows} == {"en cours"}


def test_a_chunk_costs_as_many_statements_whatever_its_length(staff, monkeypatch, django_assert_max_num_queries):
    MailboxFactory.create_batch(40)
    monkeypatch.setattr(exports_admin, "CHUNK", 20)
    answer = staff.get(reverse("admin:accounts_mailbox_export_csv"))
    with django_assert_max_num_queries(2 * 4):
        assert len(read_csv(body(answer))) == 41


def test_a_row_that_leaves_the_list_meanwhile_is_left_out(staff, monkeypatch):
    monkeypatch.setattr(exports_admin, "CHUNK", 2)
    units = [OrganisationFactory() for _ in range(4)]
    answer = staff.get(reverse("admin:accounts_organisation_export_csv"))
    lines = iter(answer.streaming_content)
    next(lines), next(lines)
    Organisation.objects.filter(pk__in=[unit.pk for unit in units[1:]]).delete()
    left = list(lines)
    assert len(left) < 3


def test_no_secret_is_ever_a_column():
    for page in site._registry.values():
        shown = [*page.list_display, "sealed", "organisation__password", "ews_id", "text"]
        columns = page.export_columns(None, shown)  # type: ignore[attr-defined]
        assert not {part for name in columns for part in str(name).split("__")} & NEVER_LOOKED_UP


def test_a_look_up_that_the_list_refuses_is_refused_here_too(staff):
    assert staff.get(reverse("admin:mail_outgoingmail_export_csv"), {"text__contains": "a"}).status_code == 400
    answer = staff.get(reverse("admin:migration_batch_export_csv"), {"status__exact": "a", "o": "999"})
    assert answer.status_code == 200
    wrong = staff.get(reverse("admin:migration_batch_export_csv"), {"inconnu": "1"})
    assert wrong.url == reverse("admin:migration_batch_changelist") + "?e=1"


def test_who_may_not_see_a_list_may_not_take_it(db):
    client = Client()
    client.force_login(UserFactory(username="personne", staff=True))
    assert client.get(reverse("admin:accounts_mailbox_export_csv")).status_code == 403
    assert not AuditEntry.objects.filter(action="list.exported").exists()
    assert client.post(reverse("admin:accounts_mailbox_export_csv")).status_code == 405
