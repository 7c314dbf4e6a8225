"""What the served document allows, and what it forbids, made up by schemathesis for every operation.

Half of the time the ids in paths are those of objects that exist, so that requests come beyond the 404. Every answer
has a status, a type and a body that the document names; none is a 5xx but a 503 of the contract.
"""

from collections.abc import Mapping
from typing import Any, Final

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from msgspec import Struct
from schemathesis import APIOperation, Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from service.problems import PROBLEMS

CHECKS: Final[Any] = [not_a_server_error, response_schema_conformance, status_code_conformance]
ENDLESS: Final = frozenset({"/v1/events"})
"""Whose answer does not end; it has tests of its own."""
ENDS_CREDENTIALS: Final = frozenset({("delete", "/v1/auth/token"), ("post", "/v1/sellers/{id}/password")})
"""Come last."""
TIMEOUT_S: Final = 60.0
_CODES_OF_503: Final = frozenset(code for code, problem in PROBLEMS.items() if problem.status == 503)


class Asked(Struct):
    """How many requests were sent, and what came of them."""

    statuses: dict[int, int]
    faults: list[str]


def fuzz_document(
    url: str, credentials: Mapping[str, str], known: Mapping[str, str], examples: int, number: int
) -> Asked:
    """`examples` of what is allowed, and as many of what is not, for each operation. `known`: ids by the beginning of
    the paths that take them. Blocks."""
    asked = Asked({}, [])
    operations = []
    for result in schemathesis.openapi.from_url(f"{url}/swagger.json").get_all_operations():
        assert isinstance(result, Ok), result
        operations.append(result.ok())
    operations.sort(key=lambda operation: (operation.method, operation.path) in ENDS_CREDENTIALS)
    for operation in operations:
        if operation.path in ENDLESS:
            continue
        for mode in GenerationMode:
            try:
                _fuzz(operation, mode, url, credentials, known, examples, number, asked)
            except (Exception, FailureGroup) as found:  # Whatever one operation does wrong, the others are looked at.
                notes = "\n".join(getattr(found, "__notes__", ()))
                asked.faults.append(f"{operation.method.upper()} {operation.path} ({mode}): {found}\n{notes}")
    return asked


def _fuzz(
    operation: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    url: str,
    credentials: Mapping[str, str],
    known: Mapping[str, str],
    examples: int,
    number: int,
    asked: Asked,
) -> None:
    ids = [id_ for path, id_ in known.items() if operation.path.startswith(path) and "{id}" in operation.path]

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        case=operation.as_strategy(generation_mode=mode),
        credential=st.sampled_from(sorted(credentials)),
        id_=st.sampled_from([None, *ids]),
    )
    def ask(case: Case, credential: str, id_: str | None) -> None:
        if id_ is not None:
            case.path_parameters["id"] = id_
        response = case.call(
            base_url=url, headers={"Authorization": f"Bearer {credentials[credential]}"}, timeout=TIMEOUT_S
        )
        status = response.status_code
        asked.statuses[status] = asked.statuses.get(status, 0) + 1
        if status == 503:
            assert response.json()["code"] in _CODES_OF_503
            return
        # An answer without a body has no type, which the check does not know.
        typed = [content_type_conformance] if status != 204 else []
        case.validate_response(response, checks=[*CHECKS, *typed])

    ask()
