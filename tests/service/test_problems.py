"""Problems: one table, RFC 9457 documents, and nothing said that should not be."""

import json

import pytest
from aiohttp import web

from journal.store import (
    EpochLost,
    FlushRefused,
    JournalFault,
    JournalUnavailable,
    NotApplied,
    OutcomeUnknown,
)
from service import problems
from service.problems import PROBLEMS, FieldError, Problem, ProblemCode

CONTRACT = {
    400: {"malformed_request"},
    401: {"unauthenticated"},
    402: {"insufficient_credit"},
    403: {"forbidden", "seller_suspended"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    409: {
        *("username_taken", "already_decided", "not_pending", "refund_exceeds_charge", "limit_in_use"),
        *("too_many_pending", "second_admin_needed", "last_admin"),
    },
    413: {"body_too_large"},
    415: {"unsupported_media_type"},
    422: {"validation_failed", "idempotency_key_reused"},
    429: {"rate_limited", "too_many_attempts"},
    500: {"internal_error"},
    503: {"overloaded", "journal_unavailable", "standby", "draining", "not_applied", "outcome_unknown"},
}


def test_the_table_is_the_contracts() -> None:
    by_status: dict[int, set[str]] = {}
    for code, kind in PROBLEMS.items():
        by_status.setdefault(kind.status, set()).add(code.value)
    assert by_status == CONTRACT


@pytest.mark.parametrize("code", list(ProblemCode))
def test_a_problem_is_a_whole_document(code: ProblemCode) -> None:
    response = Problem(code).response("r-1")
    assert response.media_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    document = json.loads(response.body)
    assert document == {
        "type": f"/problems/{code}",
        "title": PROBLEMS[code].title,
        "status": response.status,
        "detail": PROBLEMS[code].detail,
        "code": str(code),
        "request_id": "r-1",
    }
    assert response.status == PROBLEMS[code].status


@pytest.mark.parametrize("code", [code for code, kind in PROBLEMS.items() if kind.status in (429, 503)])
def test_who_should_come_back_later_is_told_when(code: ProblemCode) -> None:
    assert int(Problem(code).response("r").headers["Retry-After"]) >= 1
    assert Problem(code, retry_after_s=17).response("r").headers["Retry-After"] == "17"


def test_a_401_says_how_to_authenticate() -> None:
    assert Problem(ProblemCode.UNAUTHENTICATED).response("r").headers["WWW-Authenticate"].startswith("Bearer")


def test_fields_at_fault_are_listed() -> None:
    problem = Problem(
        ProblemCode.VALIDATION_FAILED, errors=[FieldError("amount", "bad"), FieldError("metadata.a", "long")]
    )
    assert json.loads(problem.body("r"))["errors"] == [
        {"field": "amount", "message": "bad"},
        {"field": "metadata.a", "message": "long"},
    ]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (JournalUnavailable(), "journal_unavailable"),
        (NotApplied(), "not_applied"),
        (FlushRefused(), "not_applied"),
        (EpochLost(), "not_applied"),
        (OutcomeUnknown(), "outcome_unknown"),
    ],
)
def test_only_what_may_have_happened_is_called_unknown(fault: JournalFault, code: str) -> None:
    assert problems.of_journal_fault(fault).code == code


def test_what_aiohttp_answers_by_itself_is_a_problem_too() -> None:
    not_allowed = problems.of_http_error(web.HTTPMethodNotAllowed("PUT", ["GET", "POST"])).response("r")
    assert (not_allowed.status, not_allowed.headers["Allow"]) == (405, "GET,POST")
    too_large = problems.of_http_error(web.HTTPRequestEntityTooLarge(1, 2)).response("r")
    assert (too_large.status, too_large.is_last) == (413, True)
    assert problems.of_http_error(web.HTTPNotFound()).code == "not_found"
    assert problems.of_http_error(web.HTTPExpectationFailed()).code == "malformed_request"
    assert problems.of_http_error(web.HTTPInternalServerError()).code == "internal_error"
