"""The documentation of the API: a Swagger 2.0 document made from the routes and the wire types.

Each route carries an `Operation` (`service.swagger.operations`) that says what no type can say. Everything else is
derived: schemas from the types that decode and encode, errors from the table of problems, security from who may call.
aiohttp-apispec collects it into the document, which is served at `/swagger.json`, and shown at `/swagger/`
(`service.swagger.ui`). That document is the API's contract, and is meant wherever code or tests speak of *the
contract*.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web
from aiohttp_apispec import AiohttpApiSpec, docs
from msgspec import Struct

from service.endpoint import Who
from service.problems import CONTENT_TYPE, PROBLEMS, FieldError, Problem, ProblemCode, ProblemDocument
from service.swagger.parts import (
    ANSWER_HEADERS,
    DESCRIPTION,
    IDEMPOTENCY_KEY,
    REPLAYED_HEADER,
    REQUEST_ID,
    SECURITY,
)
from service.swagger.schemas import Schema, definitions_of, query_parameters_of
from service.wire.fields import EXAMPLE_ID

_P = ProblemCode
_OF_BODIES: Final = (_P.MALFORMED_REQUEST, _P.BODY_TOO_LARGE, _P.UNSUPPORTED_MEDIA_TYPE, _P.VALIDATION_FAILED)
_OF_QUERIES: Final = (_P.MALFORMED_REQUEST, _P.VALIDATION_FAILED)
"""Also where there are no parameters: any is refused."""
_OF_COMMANDS: Final = (_P.RATE_LIMITED, _P.OVERLOADED, _P.DRAINING)
_OF_WRITES: Final = (_P.NOT_APPLIED, _P.OUTCOME_UNKNOWN)
_OF_CREDENTIALS: Final = (_P.UNAUTHENTICATED, _P.OVERLOADED)
"""They have to be looked up, and too many may wait for that."""
_OF_TURNS: Final = (_P.RATE_LIMITED, _P.OVERLOADED)
"""Sellers take turns, whatever they ask."""
_ID: Final = "UUID. Answered alike with 404: one that is malformed, nobody's, or another seller's."
_EVERYWHERE: Final = (_P.INTERNAL_ERROR,)
_OF_THE_API: Final = (_P.STANDBY, _P.JOURNAL_UNAVAILABLE)

_WHO: Final = {
    Who.ANYONE: "anyone",
    Who.ANY: "admins and sellers",
    Who.ADMIN: "admins",
    Who.SELLER: "sellers",
    Who.ANY_BY_TOKEN: "admins and sellers, by token; not by API key",
    Who.SELLER_BY_TOKEN: "sellers, by token; not by API key",
}


class Operation(Struct, frozen=True, kw_only=True):
    """What a route is for, as its documentation tells it."""

    tag: str
    summary: str
    description: str = ""
    request: type[Struct] | None = None
    is_body_optional: bool = False
    query: type[Struct] | None = None
    answers: Mapping[int, type | None]
    """By status; None for an answer without a body, or with one that is not JSON."""
    codes: tuple[ProblemCode, ...] = ()
    """Problems of this operation's own; those that all of its kind have are added."""
    is_command: bool = False
    """Goes through the seller's actor, and so may be refused when there is too much to do."""
    is_idempotent: bool = False
    """Takes an `Idempotency-Key`."""
    remembered: frozenset[ProblemCode] = frozenset()
    """Those of `codes` that a key is used up by, as it is by a success."""
    headers: tuple[Schema, ...] = ()
    """Parameters in headers that only this operation has."""
    produces: str = "application/json"


class Documented(Struct, frozen=True):
    """A route that is in the document."""

    method: str
    path: str
    who: Who
    operation: Operation


def document(app: web.Application, routes: Sequence[Documented], *, version: str) -> bytes:
    """The document of an application whose routes have all been added before."""
    handlers = {(route.method, _path_of(route)): route.handler for route in app.router.routes()}
    schemas, definitions = definitions_of(_types_of(routes))
    for route in routes:
        docs(**_described(route, schemas))(handlers[route.method, route.path])
    spec = AiohttpApiSpec(
        url=None,
        title="Charge Shop",
        version=version,
        info={"description": DESCRIPTION},
        basePath="/",
        consumes=["application/json"],
        tags=_tags_of(routes),
    )
    for name, definition in definitions.items():
        spec.spec.components.schema(name, definition)
    spec.spec.components.security_scheme("bearer", SECURITY)
    with warnings.catch_warnings():
        # It keeps its things in the application under plain texts, as was usual in its time.
        warnings.simplefilter("ignore", web.NotAppKeyWarning)
        spec.register(app, in_place=True)
    return msgspec.json.encode(spec.swagger_dict())


class _Itself(dict[str, Any]):
    """A schema that stands for itself. aiohttp-apispec looks up every schema in marshmallow's registry, by its
    hash, and leaves alone what it does not find there."""

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)


def _path_of(route: web.AbstractRoute) -> str | None:
    info = {} if route.resource is None else route.resource.get_info()
    return info.get("path") or info.get("formatter")


def _types_of(routes: Sequence[Documented]) -> list[type]:
    types: list[type] = [ProblemDocument]
    for route in routes:
        types += [of for of in (route.operation.request, *route.operation.answers.values()) if of is not None]
    return types


def _tags_of(routes: Sequence[Documented]) -> list[Schema]:
    return [{"name": name} for name in dict.fromkeys(route.operation.tag for route in routes)]


def _described(route: Documented, schemas: Mapping[type, Schema]) -> dict[str, Any]:
    operation = route.operation
    return {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _description_of(route),
        "operationId": _operation_id(route),
        "produces": [operation.produces, CONTENT_TYPE],
        "parameters": _parameters_of(route, schemas),
        "responses": _responses_of(route, schemas),
        "security": [] if route.who is Who.ANYONE else [{"bearer": []}],
    }


def _description_of(route: Documented) -> str:
    return f"{route.operation.description}\n\nWho: {_WHO[route.who]}.".strip()


def _operation_id(route: Documented) -> str:
    words = route.path.removeprefix("/v1").replace("{", "by_").replace("}", "")
    return "_".join([route.method.lower(), *filter(None, words.replace("-", "_").replace(".", "_").split("/"))])


def _parameters_of(route: Documented, schemas: Mapping[type, Schema]) -> list[Schema]:
    operation = route.operation
    parameters = [
        {
            "in": "path",
            "name": part.strip("{}"),
            "required": True,
            "type": "string",
            "format": "uuid",
            "description": _ID,
        }
        for part in route.path.split("/")
        if part.startswith("{")
    ]
    if operation.query is not None:
        parameters += query_parameters_of(operation.query)
    if operation.is_idempotent:
        parameters.append(IDEMPOTENCY_KEY)
    parameters += operation.headers
    parameters.append(REQUEST_ID)
    if operation.request is not None:
        parameters.append(
            {
                "in": "body",
                "name": "body",
                "required": not operation.is_body_optional,
                "schema": schemas[operation.request],
            }
        )
    return parameters


def _responses_of(route: Documented, schemas: Mapping[type, Schema]) -> dict[str, Schema]:
    responses: dict[str, Schema] = {}
    for status, of in route.operation.answers.items():
        responses[str(status)] = {
            "description": "Done." if status < 400 else "Not now.",
            "headers": ANSWER_HEADERS | (REPLAYED_HEADER if route.operation.is_idempotent else {}),
        } | ({"schema": _Itself(schemas[of])} if of is not None else {})
    by_status: dict[int, list[ProblemCode]] = {}
    for code in _codes_of(route):
        by_status.setdefault(PROBLEMS[code].status, []).append(code)
    for status, codes in sorted(by_status.items()):
        is_remembered = not route.operation.remembered.isdisjoint(codes)
        example = _example_of(codes, route.operation)
        responses.setdefault(str(status), _failure(status, codes, example, is_remembered=is_remembered))
    return responses


def _codes_of(route: Documented) -> list[ProblemCode]:
    """The operation's own codes, and those that all operations of its kind have."""
    operation = route.operation
    codes = [*operation.codes]
    if operation.request is not None:
        codes += _OF_BODIES
    if operation.is_idempotent:
        codes.append(_P.IDEMPOTENCY_KEY_REUSED)
    if operation.is_command:
        codes += _OF_COMMANDS
    if operation.is_command or route.method != hdrs.METH_GET:
        # A read that goes through the actor may write too: it gives back the holds that have expired.
        codes += _OF_WRITES
    if "{" in route.path:
        codes.append(_P.NOT_FOUND)
    if route.who is not Who.ANYONE:
        codes += _OF_CREDENTIALS
    if route.who not in (Who.ANYONE, Who.ADMIN):
        codes += _OF_TURNS
    if route.who not in (Who.ANYONE, Who.ANY):
        codes.append(_P.FORBIDDEN)
    if route.path.startswith("/v1/"):
        codes += (*_OF_QUERIES, *_OF_THE_API)
    return list(dict.fromkeys([*codes, *_EVERYWHERE]))


def _failure(status: int, codes: Sequence[ProblemCode], example: Any, *, is_remembered: bool) -> Schema:
    listed = "\n".join(f"- `{code}`: {PROBLEMS[code].detail}" for code in codes)
    headers = ANSWER_HEADERS | (REPLAYED_HEADER if is_remembered else {})
    if any(PROBLEMS[code].retry_after_s is not None for code in codes):
        headers["Retry-After"] = {"type": "integer", "description": "Seconds to wait before asking again."}
    if status == 401:
        headers["WWW-Authenticate"] = {"type": "string", "description": "How to authenticate."}
    return {
        "description": listed,
        "headers": headers,
        "schema": _Itself(
            allOf=[
                {"$ref": "#/definitions/Problem"},
                {"type": "object", "properties": {"code": {"type": "string", "enum": [str(code) for code in codes]}}},
            ],
            example=example,
        ),
    }


def _example_of(codes: Sequence[ProblemCode], operation: Operation) -> Any:
    """The document as it is answered."""
    if _P.VALIDATION_FAILED in codes:
        problem = Problem(_P.VALIDATION_FAILED, errors=(_error_of(operation),))
    else:
        problem = Problem(
            codes[0],
            available="12.50" if codes[0] is _P.INSUFFICIENT_CREDIT else None,
            # What is remembered is kept, as a charge that failed.
            charge_id=EXAMPLE_ID if codes[0] in operation.remembered else None,
        )
    return msgspec.json.decode(problem.body("0195f3a2c4b0-1"))


def _error_of(operation: Operation) -> FieldError:
    """One that this operation can make: of its body if that has to have a field, else of the query."""
    fields = () if operation.request is None else msgspec.structs.fields(operation.request)
    required = [field.encode_name for field in fields if field.required]
    return FieldError(required[0], "Required.") if required else FieldError("page", "Unknown.")
