"""What an account refuses is a problem that says why, and where in the request."""

import json

import pytest

from actors.commands import Refusal, RefusalCode
from service.handlers.outcomes import refused
from service.problems import FieldError


@pytest.mark.parametrize("code", list(RefusalCode))
def test_every_refusal_is_a_problem(code: RefusalCode) -> None:
    assert refused(Refusal(code, "because"), "USD").code == code.value


def test_a_lack_of_credit_tells_what_is_available() -> None:
    refusal = Refusal(RefusalCode.INSUFFICIENT_CREDIT, "no", available=-1250)
    assert json.loads(refused(refusal, "USD").body("r"))["available"] == "-12.50"


def test_a_refused_field_is_named() -> None:
    refusal = Refusal(RefusalCode.VALIDATION_FAILED, "above", field="amount")
    assert refused(refusal, "USD").errors == (FieldError("amount", "above"),)


def test_a_key_used_before_is_named_where_it_stood() -> None:
    reused = Refusal(RefusalCode.IDEMPOTENCY_KEY_REUSED, "used")
    assert refused(reused, "USD").errors == (FieldError("Idempotency-Key", "used"),)
    assert refused(reused, "USD", key_field="charges").errors == (FieldError("charges", "used"),)
