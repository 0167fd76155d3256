import math
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from accounts import credentials
from accounts.models import Credential
from bma_portal import vault
from bma_portal.clock import brussels_date
from bma_portal.secret import Secret
from bma_portal.verdicts import Outcome, Verdict
from demo.directory import MemoryDirectory
from tests.factories import MailboxFactory

from datetime import UTC, datetime  # isort: skip

AT = datetime(2024, 10, 14, 7, tzinfo=UTC)


@pytest.fixture(autouse=True)
def directory():
    MemoryDirectory.forget()
    yield MemoryDirectory
    MemoryDirectory.forget()


def test_passwords_are_readable_strong_and_even():
    draws = [credentials.new_password(fase=247).reveal() for _ in range(20_000)]
    assert len(set(draws)) == len(draws)
    signs = Counter("".join(draws).replace("-", ""))
    assert set(signs) == set(credentials.ALPHABET)
    assert not set("0O1lIaeiouyAEIOUY") & set(signs)
    assert 16 * math.log2(len(credentials.ALPHABET)) >= 80
    expected = sum(signs.values()) / len(signs)
    chi2 = sum((n - expected) ** 2 / expected for n in signs.values())
    # 45 degrees of freedom: 95 is exceeded once in 50,000; the demand for a digit weighs on the digits a little.
    digits = [signs[d] for d in "23456789"]
    letters = [n for s, n in signs.items() if s not in "23456789"]
    assert max(letters) / min(letters) < 1.12, chi2
    assert max(digits) / min(digits) < 1.12
    for text in draws:
        assert [len(group) for group in text.split("-")] == [4, 4, 4, 4]
        assert any(c.islower() for c in text)
        assert any(c.isupper() for c in text)
        assert any(c.isdigit() for c in text)
        assert "247" not in text.replace("-", "")
        assert "ec" not in text.lower()
        assert "po" not in text.lower()


def test_only_the_secrets_module_makes_them():
    source = Path(credentials.__file__).read_text()
    assert "import random" not in source
    assert "from random" not in source


@pytest.mark.django_db
def test_made_once_sealed_and_set_in_the_directory(directory):
    boxes = [MailboxFactory() for _ in range(3)]
    assert credentials.issue(boxes, at=AT) == 3
    assert credentials.issue(boxes, at=AT) == 0
    assert credentials.set_passwords(at=AT) == 3
    for credential in Credential.objects.select_related("mailbox"):
        clear = credentials.reveal(credential)
        assert directory.passwords[credential.mailbox.address] == clear
        assert clear.reveal() not in credential.sealed
        assert credential.applied_at == AT


@pytest.mark.django_db
def test_the_database_refuses_a_second_current_password():
    box = MailboxFactory()
    credentials.issue([box], at=AT)
    with pytest.raises(IntegrityError), transaction.atomic():
        Credential.objects.create(mailbox=box, sealed="x", issued_at=AT)


@pytest.mark.django_db
@pytest.mark.parametrize("verdict", [Verdict.RETRY, Verdict.AMBIGUOUS])
def test_a_directory_that_is_away_gets_the_same_password_later(directory, verdict):
    box = MailboxFactory()
    credentials.issue([box], at=AT)
    clear = credentials.reveal(Credential.objects.get())
    directory.answers.append(Outcome(verdict, "away", "Absent.", retry_after=0, wide=True))
    assert credentials.set_passwords(at=AT) == 0
    assert Credential.objects.get().applied_at is None
    Credential.objects.update(not_before=None)
    assert credentials.set_passwords(at=AT + timedelta(minutes=1)) == 1
    assert directory.passwords == {box.address: clear}


@pytest.mark.django_db
def test_a_refused_password_is_never_announced_and_stops_nobody_else(directory):
    boxes = [MailboxFactory() for _ in range(3)]
    credentials.issue(boxes, at=AT)
    directory.answers += [Outcome(Verdict.PERMANENT, "weak", "L'annuaire refuse ce mot de passe.")]
    assert credentials.set_passwords(at=AT) == 2
    refused = Credential.objects.get(refused_at__isnull=False)
    assert refused.applied_at is None
    assert refused.last_error == "L'annuaire refuse ce mot de passe."
    assert credentials.set_passwords(at=AT) == 0


@pytest.mark.django_db
def test_a_reset_supersedes_and_destroys_the_former(directory):
    box = MailboxFactory()
    credentials.issue([box], at=AT)
    former = Credential.objects.get()
    newer = credentials.renew(box, at=AT + timedelta(days=1))
    former.refresh_from_db()
    assert former.sealed == ""
    assert former.destroyed_at == former.superseded_at == AT + timedelta(days=1)
    credentials.set_passwords(at=AT + timedelta(days=1))
    assert directory.passwords[box.address] == credentials.reveal(newer)
    assert directory.calls == [box.address], "le mot de passe remplacé n'est plus posé"


@pytest.mark.django_db
def test_two_swapped_secrets_do_not_open():
    for _ in range(2):
        credentials.issue([MailboxFactory()], at=AT)
    one, two = Credential.objects.order_by("pk")
    Credential.objects.filter(pk=one.pk).update(sealed=two.sealed)
    one.refresh_from_db()
    with pytest.raises(vault.VaultError, match="ne s'ouvre pas"):
        credentials.reveal(one)


@pytest.mark.django_db
def test_the_wrong_key_sets_nothing_and_says_so(directory, settings):
    vault.verify()
    credentials.issue([MailboxFactory()], at=AT)
    settings.BMA_VAULT_KEYS = "test:" + "A" * 43 + "="
    with pytest.raises(vault.VaultError):
        vault.verify()
    with pytest.raises(vault.VaultError):
        credentials.set_passwords(at=AT)
    assert directory.calls == []


@pytest.mark.django_db
def test_rotation_leaves_nothing_that_needs_the_old_key(settings):
    boxes = [MailboxFactory() for _ in range(25)]
    credentials.issue(boxes, at=AT)
    clear = {c.pk: credentials.reveal(c) for c in Credential.objects.all()}
    backup = dict(Credential.objects.values_list("pk", "sealed"))
    old = settings.BMA_VAULT_KEYS
    new = "neuve:" + "B" * 42 + "A="
    settings.BMA_VAULT_KEYS = f"{new},{old}"
    assert credentials.rotate(batch=10) == 25
    assert credentials.rotate(batch=10) == 0
    settings.BMA_VAULT_KEYS = new
    assert {c.pk: credentials.reveal(c) for c in Credential.objects.all()} == clear
    one = Credential.objects.first()
    one.sealed = backup[one.pk]  # a backup from before: unreadable once the old key is removed
    with pytest.raises(vault.VaultError, match="n'a pas la clé"):
        credentials.reveal(one)


@pytest.mark.django_db(transaction=True)
def test_rotation_killed_half_way_is_taken_up_where_it_stopped(settings, monkeypatch):
    boxes = [MailboxFactory() for _ in range(30)]
    credentials.issue(boxes, at=AT)
    settings.BMA_VAULT_KEYS = "neuve:" + "B" * 42 + "A=," + settings.BMA_VAULT_KEYS
    sealing = vault.seal
    calls = 0

    def seal(clear: Secret, *, bound_to: str) -> str:
        nonlocal calls
        calls += 1
        if calls == 15:
            raise KeyboardInterrupt
        return sealing(clear, bound_to=bound_to)

    monkeypatch.setattr(vault, "seal", seal)
    with pytest.raises(KeyboardInterrupt):
        credentials.rotate(batch=10)
    assert Credential.objects.filter(sealed__startswith="neuve.").count() == 10
    monkeypatch.setattr(vault, "seal", sealing)
    assert credentials.rotate(batch=10) == 20


@pytest.mark.django_db
def test_a_destroyed_secret_leaves_its_certificate():
    credentials.issue([MailboxFactory()], at=AT)
    sealed = Credential.objects.get().sealed
    credentials.destroy(Credential.objects.all(), why="mail 4 envoyé", at=AT)
    row = Credential.objects.get()
    assert (row.sealed, row.destroyed_why, brussels_date(row.destroyed_at)) == ("", "mail 4 envoyé", brussels_date(AT))
    with connection.cursor() as cursor:
        cursor.execute("SELECT accounts_credential::text FROM accounts_credential")
        assert sealed not in cursor.fetchone()[0]
