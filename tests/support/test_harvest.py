"""Numbers asked one after the other are slowed, then blocked (A5)."""

import pytest
from django.urls import reverse

from bma_portal.models import RateCount
from tests.factories import MailboxFactory
from tests.support.pages import Page

pytestmark = pytest.mark.django_db
URL = reverse("mailbox_status")


def refused_after(client, **headers) -> int:
    """How many numbers are answered before a refusal. Twice the limit, since a new minute may begin on the way."""
    for count in range(21):
        response = client.get(URL, {"numero": str(5000 + count)}, **headers)
        if response.status_code == 429:
            return count
    return -1


def test_unknown_numbers_in_a_row_are_slowed_with_a_page_that_says_when_to_come_back(client):
    assert 10 <= refused_after(client) <= 20
    response = client.get(URL, {"numero": "1"})
    page = Page(response)
    page.assert_sound()
    assert page.status == 429
    assert 1 <= int(response["Retry-After"]) <= 60
    assert "Vous pourrez reprendre dans 1 minute." in page.text
    assert "support@etnic.be" in page.text


def test_known_numbers_count_as_well(client):
    boxes = MailboxFactory.create_batch(21)
    answers = [client.get(URL, {"numero": f"ec{box.organisation.fase}"}).status_code for box in boxes]
    assert set(answers) == {200, 429}


def test_thirty_in_an_hour_block_for_the_hour(client):
    client.get(URL, {"numero": "1"})
    RateCount.objects.filter(bucket__startswith="etat-heure").update(count=30)
    RateCount.objects.filter(bucket__startswith="etat-minute").delete()
    response = client.get(URL, {"numero": "1"})
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= 3600


def test_another_place_is_not_slowed(client):
    refused_after(client, REMOTE_ADDR="192.0.2.1")
    assert client.get(URL, {"numero": "1"}, REMOTE_ADDR="192.0.2.2").status_code == 200


def test_the_spelling_does_not_escape_the_count(client):
    spellings = ["7001", "07001", "007001", "7 001", "ec7001", "po7001", "EC007001@adm.cfwb.be"] * 3
    answers = [client.get(URL, {"numero": spelling}).status_code for spelling in spellings]
    assert 429 in answers


def test_one_who_is_slowed_still_reads_the_form_and_the_home_page(client):
    refused_after(client)
    assert client.get(URL).status_code == 200
    assert client.get("/").status_code == 200


def test_what_cannot_be_a_number_is_not_counted(client):
    for _ in range(25):
        assert client.get(URL, {"numero": "zzz"}).status_code == 200


def test_no_address_of_a_visitor_is_kept(client):
    client.get(URL, {"numero": "1"}, REMOTE_ADDR="192.0.2.77")
    assert not RateCount.objects.filter(bucket__contains="192.0.2").exists()
