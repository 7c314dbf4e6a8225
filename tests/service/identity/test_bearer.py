"""What a credential looks like, and what cannot be one."""

import re

import pytest

from service.identity.bearer import CredentialKind, digest_of, kind_of, new_secret, secret_in

TOKEN = new_secret(CredentialKind.TOKEN, lambda n: bytes(range(n)))


def test_a_secret_is_a_prefix_and_256_bits() -> None:
    drawn: list[int] = []

    def random_bytes(count: int) -> bytes:
        drawn.append(count)
        return b"\xff" * count

    for kind, prefix in ((CredentialKind.TOKEN, "cst_"), (CredentialKind.API_KEY, "csk_")):
        secret = new_secret(kind, random_bytes)
        assert re.fullmatch(rf"{prefix}[A-Za-z0-9_-]{{43}}", secret)
        assert len(secret) == 47
        assert kind_of(secret) is kind
    assert drawn == [32, 32]


def test_the_digest_covers_the_prefix() -> None:
    assert digest_of(TOKEN) != digest_of(TOKEN.replace("cst_", "csk_"))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_known_in_any_case(scheme: str) -> None:
    assert secret_in(f"{scheme} {TOKEN}") == TOKEN


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Basic {TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}\n",
        f"Bearer {TOKEN} {TOKEN}",
        f"Bearer csx_{TOKEN[4:]}",
        f"Bearer cst_{'é' * 43}",
        f"Bearer cst_{chr(0xDC80) * 43}",
        "Bearer " + "x" * 8000,
    ],
)
def test_what_cannot_be_a_credential_is_not_looked_up(authorization: str) -> None:
    assert secret_in(authorization) is None
