"""Secrets at rest: bound to their row, opened by their own key, refused loudly otherwise (SEC-C7, SEC-C8)."""

import base64

import pytest

from bma_portal import vault
from bma_portal.models import VaultKey
from bma_portal.secret import Secret
from bma_portal.vault import VaultError

pytestmark = pytest.mark.database


def key(number: int, *, size: int = 32) -> str:
    return base64.b64encode(bytes([number]) * size).decode()


@pytest.fixture(autouse=True)
def one_key(settings):
    settings.BMA_VAULT_KEYS = f"a:{key(1)}"


def test_what_was_sealed_for_a_row_opens_for_that_row():
    sealed = vault.seal(Secret("très secret ★"), bound_to="credential:1")
    assert sealed.startswith("a.")
    assert "secret" not in sealed
    assert vault.unseal(sealed, bound_to="credential:1") == Secret("très secret ★")


def test_the_same_secret_is_never_sealed_twice_alike():
    assert len({vault.seal(Secret("x"), bound_to="r") for _ in range(50)}) == 50


def test_two_rows_whose_secrets_were_swapped_do_not_open():
    first, second = (vault.seal(Secret(f"secret {row}"), bound_to=row) for row in ("credential:1", "credential:2"))
    for sealed, row in ((second, "credential:1"), (first, "credential:2")):
        with pytest.raises(VaultError, match="ne s'ouvre pas"):
            vault.unseal(sealed, bound_to=row)


@pytest.mark.parametrize(
    "alter",
    [
        lambda sealed: sealed[:-4] + "AAA=",
        lambda sealed: sealed[:20],
        lambda sealed: "a.",
        lambda sealed: "a.é",
        lambda sealed: "a.%%%",
        lambda sealed: sealed.replace("a.", "b.", 1),  # under another of our keys
    ],
)
def test_an_altered_text_does_not_open_and_is_not_quoted(settings, alter):
    altered = alter(vault.seal(Secret("secret"), bound_to="r"))
    settings.BMA_VAULT_KEYS = f"a:{key(1)},b:{key(1)}"
    with pytest.raises(VaultError, match="ne s'ouvre pas") as refused:
        vault.unseal(altered, bound_to="r")
    assert len(altered) < 10 or altered[2:] not in str(refused.value)


@pytest.mark.parametrize("sealed", ["inconnue.AAAA", "", ".", "sans point"])
def test_an_unknown_key_is_named_and_nothing_is_guessed(sealed):
    with pytest.raises(VaultError, match="n'a pas la clé"):
        vault.unseal(sealed, bound_to="r")


def test_another_key_under_the_same_name_opens_nothing(settings):
    sealed = vault.seal(Secret("secret"), bound_to="r")
    settings.BMA_VAULT_KEYS = f"a:{key(2)}"
    with pytest.raises(VaultError, match="« a » ne s'ouvre pas"):
        vault.unseal(sealed, bound_to="r")


def test_after_a_rotation_the_first_key_seals_and_the_old_one_still_opens(settings):
    old = vault.seal(Secret("ancien"), bound_to="r")
    settings.BMA_VAULT_KEYS = f"b:{key(2)}, a:{key(1)},"
    assert vault.current_key_id() == "b"
    new = vault.seal(Secret("nouveau"), bound_to="r")
    assert new.startswith("b.")
    assert [vault.unseal(s, bound_to="r").reveal() for s in (old, new)] == ["ancien", "nouveau"]
    settings.BMA_VAULT_KEYS = f"b:{key(2)}"
    assert vault.unseal(new, bound_to="r").reveal() == "nouveau"
    with pytest.raises(VaultError, match="n'a pas la clé « a »"):
        vault.unseal(old, bound_to="r")


def test_each_key_is_checked_against_what_it_sealed_the_first_time(db, settings):
    settings.BMA_VAULT_KEYS = f"a:{key(1)},b:{key(2)}"
    vault.verify()
    vault.verify()
    assert set(VaultKey.objects.values_list("key_id", flat=True)) == {"a", "b"}
    settings.BMA_VAULT_KEYS = f"c:{key(3)},a:{key(1)}"  # a rotation: a new one, one less
    vault.verify()
    settings.BMA_VAULT_KEYS = f"c:{key(3)},a:{key(9)}"  # a restored or mistyped one
    with pytest.raises(VaultError, match="« a »"):
        vault.verify()
    assert not VaultKey.objects.filter(canary__contains="coffre").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "vide"),
        (",,", "vide"),
        (key(1), "identifiant:clé"),
        (f":{key(1)}", "identifiant:clé"),
        (f"A:{key(1)}", "identifiant:clé"),
        (f"é:{key(1)}", "identifiant:clé"),
        (f"{'a' * 21}:{key(1)}", "identifiant:clé"),
        (f"a:{key(1)},a:{key(2)}", "une seule fois"),
        ("a:pas du base64 !", "base64"),
        ("a:", "32 octets"),
        (f"a:{key(1, size=16)}", "32 octets"),
        (f"a:{key(1, size=33)}", "32 octets"),
        (f"a:{key(1)}, b:{key(2, size=31)}", "« b »"),
    ],
)
def test_keys_that_cannot_be_read_are_refused_without_being_quoted(text, says):
    with pytest.raises(VaultError, match=says) as refused:
        vault.parse_keys(text)
    assert key(1) not in str(refused.value)
    assert "base64 !" not in str(refused.value)
