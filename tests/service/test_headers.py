"""Our headers: keys are printable ASCII, request ids are safe to repeat."""

import json

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from service.http import headers
from service.problems import Problem


def request(*given: tuple[str, str]):
    return make_mocked_request("POST", "/", headers=CIMultiDict(given))


@pytest.mark.parametrize("key", ["k", "k" * 255, "sale 4711 ~!", '"quoted"'])
def test_printable_ascii_is_a_key(key: str) -> None:
    assert headers.idempotency_key(request(("idempotency-key", key))) == key


def test_no_key_is_none() -> None:
    assert headers.idempotency_key(request()) is None


@pytest.mark.parametrize("key", ["", "k" * 256, "é", "\x7f", "a\tb", "a\x00b", "٥"])
def test_anything_else_is_refused(key: str) -> None:
    with pytest.raises(Problem) as caught:
        headers.idempotency_key(request(("Idempotency-Key", key)))
    assert json.loads(caught.value.body("r"))["errors"][0]["field"] == "Idempotency-Key"


def test_two_keys_are_refused() -> None:
    with pytest.raises(Problem):
        headers.idempotency_key(request(("Idempotency-Key", "a"), ("idempotency-key", "a")))


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        ("r-1.2:3_4", "r-1.2:3_4"),
        ("x" * 128, "x" * 128),
        ("x" * 129, "made"),
        ("", "made"),
        ("a b", "made"),
        ("é", "made"),
        ("a\r\nb", "made"),
        ('"', "made"),
        ("<x>", "made"),
    ],
)
def test_a_request_id_is_repeated_only_if_safe(given: str, answered: str) -> None:
    assert (headers.is_request_id(given) is not None) is (answered == given)
