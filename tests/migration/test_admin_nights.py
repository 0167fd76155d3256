"""The results of a night, as ETNIC brings them to the admin."""

from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from bma_portal.clock import brussels
from migration.models import Mailing, Move
from tests.factories_migration import MoveFactory, deliver

pytestmark = pytest.mark.django_db

AT = brussels(date(2024, 11, 7), 22)


def upload(client: Client, text: str | bytes, **fields: str):
    content = text.encode() if isinstance(text, str) else text
    data = {"results": SimpleUploadedFile("nuit.csv", content), **fields}
    return client.post(reverse("admin:migration_move_record_cutover"), data)


def test_etnic_checks_then_records_the_results_of_a_night(signed_in):
    done, not_done = MoveFactory(confirmed=True), MoveFactory(announced=True)
    deliver(Mailing.objects.get(move=done, step=4), AT)
    text = f"adresse;resultat;detail\n{done.mailbox.address};ok;\n{not_done.mailbox.address};ok;\n"
    response = upload(signed_in("etnic"), text)
    assert response.context["report"].migrated == 1
    assert "rien n’est encore enregistré" in response.content.decode()
    done.refresh_from_db()
    assert done.status == Move.Status.PLANNED
    response = upload(signed_in("etnic"), text, write="on")
    assert "mail 2 et mail 4" in response.content.decode()
    done.refresh_from_db()
    not_done.refresh_from_db()
    assert (done.status, not_done.status) == (Move.Status.MIGRATED, Move.Status.PLANNED)
    upload(signed_in("etnic"), text, write="on", signed="boîte vide, vue avec l’école")
    not_done.refresh_from_db()
    assert (not_done.status, not_done.signed_by) == (Move.Status.MIGRATED, "etnic : boîte vide, vue avec l’école")


@pytest.mark.parametrize("content", [b"", b"n;importe;quoi\n", b"adresse;resultat\nec000001@adm.cfwb.be;peut-etre\n",
                                     b"\xff\xfe\x00", b"adresse;resultat\n\"" + b"x" * 200_000])  # fmt: skip
def test_a_file_that_is_not_a_list_of_results_is_refused_in_words(content, signed_in):
    response = upload(signed_in("etnic"), content, write="on")
    assert response.status_code == 200
    assert response.context["form"].errors
    assert "/tmp" not in response.content.decode()


def test_only_etnic_records_nights(signed_in):
    for role in ("sgne", "auditeur", "personnel"):
        assert upload(signed_in(role), "adresse;resultat;detail\n").status_code == 403
