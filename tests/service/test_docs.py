"""The documentation: a valid Swagger 2.0 document that says of every route what the types and tables say."""

import json
import re
from typing import Any

import pytest
from aiohttp import web
from msgspec import Struct
from openapi_spec_validator import OpenAPIV2SpecValidator

from journal.ids import is_id
from service.endpoint import Who
from service.http import decode
from service.problems import PROBLEMS, ProblemCode, ProblemDocument
from service.swagger import schemas as swagger_schemas
from service.swagger import ui as swagger_ui
from service.swagger.document import Documented, Operation, document
from service.wire import answers, queries, requests

ROUTES = [
    Documented(
        "POST",
        "/v1/charges",
        Who.SELLER,
        Operation(
            tag="Charges",
            summary="Sell",
            request=requests.CreateCharge,
            answers={201: answers.Charge},
            codes=(ProblemCode.INSUFFICIENT_CREDIT, ProblemCode.SELLER_SUSPENDED),
            is_command=True,
            is_idempotent=True,
            remembered=frozenset({ProblemCode.INSUFFICIENT_CREDIT}),
        ),
    ),
    Documented(
        "GET",
        "/v1/charges",
        Who.ANY,
        Operation(tag="Charges", summary="List", query=queries.Charges, answers={200: answers.Page[answers.Charge]}),
    ),
    Documented(
        "GET", "/v1/charges/{id}", Who.ANY, Operation(tag="Charges", summary="One", answers={200: answers.Charge})
    ),
    Documented(
        "POST",
        "/v1/charges/{id}/void",
        Who.SELLER,
        Operation(
            tag="Charges",
            summary="Void",
            request=requests.Nothing,
            is_body_optional=True,
            answers={200: answers.Charge},
            codes=(ProblemCode.NOT_PENDING,),
        ),
    ),
    Documented(
        "PATCH",
        "/v1/sellers/{id}",
        Who.ADMIN,
        Operation(tag="Sellers", summary="Change", request=requests.ChangeSeller, answers={200: answers.Seller}),
    ),
    Documented(
        "GET",
        "/v1/transactions",
        Who.ANY,
        Operation(
            tag="Journal",
            summary="Entries",
            query=queries.Transactions,
            answers={200: answers.Page[answers.Transaction]},
        ),
    ),
    Documented(
        "GET",
        "/v1/transactions.csv",
        Who.ANY,
        Operation(
            tag="Journal", summary="Export", query=queries.TransactionsCsv, answers={200: None}, produces="text/csv"
        ),
    ),
    Documented(
        "GET",
        "/v1/statement",
        Who.ANY,
        Operation(tag="Journal", summary="Statement", query=queries.Statement, answers={200: answers.Statement}),
    ),
    Documented(
        "GET",
        "/v1/trial-balance",
        Who.ADMIN,
        Operation(tag="Journal", summary="Trial balance", answers={200: answers.TrialBalance}),
    ),
    Documented(
        "POST",
        "/v1/verification",
        Who.ADMIN,
        Operation(tag="Journal", summary="Verify", answers={202: answers.Verification}),
    ),
    Documented(
        "GET",
        "/v1/credit-requests",
        Who.ANY,
        Operation(
            tag="Credit",
            summary="List",
            query=queries.CreditRequests,
            answers={200: answers.Page[answers.CreditRequest]},
        ),
    ),
    Documented(
        "POST",
        "/v1/auth/token",
        Who.ANYONE,
        Operation(
            tag="Auth",
            summary="Sign in",
            request=requests.SignIn,
            answers={200: answers.Token},
            codes=(ProblemCode.UNAUTHENTICATED, ProblemCode.TOO_MANY_ATTEMPTS),
        ),
    ),
    Documented(
        "DELETE", "/v1/auth/token", Who.ANY_BY_TOKEN, Operation(tag="Auth", summary="Sign out", answers={204: None})
    ),
    Documented(
        "GET",
        "/readyz",
        Who.ANYONE,
        Operation(tag="Health", summary="Ready", answers={200: answers.Health, 503: answers.Health}),
    ),
]


def application() -> web.Application:
    app = web.Application()
    for route in ROUTES:

        async def handler(_request: web.Request) -> web.Response:
            return web.Response()

        app.router.add_route(route.method, route.path, handler)
    for path, page in swagger_ui.pages(document(app, ROUTES, version="1.2.3")).items():
        app.router.add_get(path, page)
    return app


@pytest.fixture
async def client(aiohttp_client):
    return await aiohttp_client(application())


@pytest.fixture
async def spec(client) -> dict[str, Any]:
    async with client.get("/swagger.json") as response:
        assert response.status == 200
        return await response.json()


async def test_the_document_is_valid_swagger_2(spec) -> None:
    OpenAPIV2SpecValidator(spec).validate()
    assert spec["swagger"] == "2.0"
    assert spec["info"]["version"] == "1.2.3"


async def test_every_route_is_in_it_once(spec) -> None:
    found = {(method.upper(), path) for path, methods in spec["paths"].items() for method in methods}
    assert found == {(route.method, route.path) for route in ROUTES}
    ids = [operation["operationId"] for methods in spec["paths"].values() for operation in methods.values()]
    assert len(set(ids)) == len(ROUTES)
    assert spec["paths"]["/v1/charges/{id}/void"]["post"]["operationId"] == "post_charges_by_id_void"


async def test_nothing_is_left_that_swagger_2_does_not_know(spec) -> None:
    """The validator lets unknown words pass; readers do not."""
    text = json.dumps(spec)
    for word in ("anyOf", "oneOf", "const", "examples", "$defs", "propertyNames", "prefixItems", '"null"'):
        assert f'"{word}"' not in text
    assert set(re.findall(r'"\$ref": "([^"]+)/', text)) == {"#/definitions"}


async def test_what_needs_credentials_says_so(spec) -> None:
    assert spec["securityDefinitions"]["bearer"]["type"] == "apiKey"
    assert spec["paths"]["/v1/charges"]["post"]["security"] == [{"bearer": []}]
    assert spec["paths"]["/v1/auth/token"]["post"]["security"] == []
    assert "401" in spec["paths"]["/v1/charges"]["get"]["responses"]
    assert "403" not in spec["paths"]["/v1/charges"]["get"]["responses"]
    assert "401" not in spec["paths"]["/readyz"]["get"]["responses"]


def codes_of(spec: dict[str, Any], method: str, path: str) -> dict[str, set[str]]:
    """By status."""
    return {
        status: set(response["schema"]["allOf"][1]["properties"]["code"]["enum"])
        for status, response in spec["paths"][path][method]["responses"].items()
        if "allOf" in response.get("schema", {})
    }


async def test_errors_are_the_tables(spec) -> None:
    responses = spec["paths"]["/v1/charges"]["post"]["responses"]
    codes = codes_of(spec, "post", "/v1/charges")
    assert codes == {
        "400": {"malformed_request"},
        "401": {"unauthenticated"},
        "402": {"insufficient_credit"},
        "403": {"forbidden", "seller_suspended"},
        "413": {"body_too_large"},
        "415": {"unsupported_media_type"},
        "422": {"validation_failed", "idempotency_key_reused"},
        "429": {"rate_limited"},
        "500": {"internal_error"},
        "503": {"overloaded", "draining", "not_applied", "outcome_unknown", "standby", "journal_unavailable"},
    }
    assert all(responses[status]["schema"]["example"]["code"] in codes[status] for status in codes)
    assert "Retry-After" in responses["503"]["headers"]
    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert spec["definitions"]["Problem"]["properties"]["code"] == {
        "allOf": [{"$ref": "#/definitions/ProblemCode"}],
        "description": "The word that programs decide by.",
    }
    assert set(spec["definitions"]["ProblemCode"]["enum"]) == set(PROBLEMS)


async def test_examples_of_failures_are_such_as_the_operation_can_make(spec) -> None:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if "422" not in operation["responses"]:
                continue
            example = operation["responses"]["422"]["schema"]["example"]
            bodies = [p["schema"]["$ref"] for p in operation["parameters"] if p["in"] == "body"]
            required = [
                name
                for body in bodies
                for name in spec["definitions"][body.removeprefix("#/definitions/")].get("required", [])
            ]
            # Where no field of a body has to be there, a parameter that there is not.
            error = (
                {"field": required[0], "message": "Required."} if required else {"field": "page", "message": "Unknown."}
            )
            assert example["errors"] == [error], (method, path)
            assert "page" not in {p["name"] for p in operation["parameters"]}
    declined = spec["paths"]["/v1/charges"]["post"]["responses"]["402"]["schema"]["example"]
    assert declined["available"] == "12.50"
    assert is_id(declined["charge_id"])


AWAY = {"standby", "journal_unavailable"}


async def test_too_much_to_do_and_doubt_are_told_of_where_they_can_be(spec) -> None:
    """Whose credential is looked up may be one too many; sellers take turns; what writes may not come to its end."""
    read_by_admins = codes_of(spec, "get", "/v1/trial-balance")
    assert "429" not in read_by_admins
    assert read_by_admins["503"] == {"overloaded"} | AWAY
    read_by_all = codes_of(spec, "get", "/v1/statement")
    assert (read_by_all["429"], read_by_all["503"]) == ({"rate_limited"}, {"overloaded"} | AWAY)
    written_by_admins = codes_of(spec, "post", "/v1/verification")
    assert "429" not in written_by_admins
    assert written_by_admins["503"] == {"overloaded", "not_applied", "outcome_unknown"} | AWAY
    written_by_all = codes_of(spec, "delete", "/v1/auth/token")
    assert written_by_all["429"] == {"rate_limited"}
    assert written_by_all["503"] == {"overloaded", "not_applied", "outcome_unknown"} | AWAY
    written_by_strangers = codes_of(spec, "post", "/v1/auth/token")
    assert written_by_strangers["429"] == {"too_many_attempts"}
    assert written_by_strangers["503"] == {"not_applied", "outcome_unknown"} | AWAY


async def test_an_answer_that_is_no_problem_keeps_its_own_schema(spec) -> None:
    assert spec["paths"]["/readyz"]["get"]["responses"]["503"]["schema"] == {"$ref": "#/definitions/Health"}
    assert "schema" not in spec["paths"]["/v1/auth/token"]["delete"]["responses"]["204"]
    assert spec["paths"]["/v1/transactions.csv"]["get"]["produces"][0] == "text/csv"


async def test_headers_are_parameters_where_they_work(spec) -> None:
    def headers(path: str, method: str) -> set[str]:
        return {p["name"] for p in spec["paths"][path][method]["parameters"] if p["in"] == "header"}

    assert headers("/v1/charges", "post") == {"Idempotency-Key", "X-Request-Id"}
    assert headers("/v1/charges", "get") == {"X-Request-Id"}


async def test_the_introduction_tells_of_the_exceptions(spec) -> None:
    """A batch may be larger, and has no key of its own; a decline is repeated under another request's id."""
    text = spec["info"]["description"]
    assert f"{decode.BODY_SIZE_MAX // 1024} KiB (a batch: {decode.LARGE_BODY_SIZE_MAX // 1024**2} MiB)" in text
    assert "but for a batch" in text
    assert "differs in its `request_id`" in text
    assert "Unknown fields are refused, as are unknown parameters of a query" in text
    assert "A batch refuses the header; other operations ignore it." in text


async def test_query_parameters_have_their_bounds(spec) -> None:
    parameters = {p["name"]: p for p in spec["paths"]["/v1/charges"]["get"]["parameters"]}
    assert parameters["limit"] | {"description": ""} == {
        "in": "query",
        "name": "limit",
        "required": False,
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "default": 50,
        "description": "",
    }
    assert set(parameters["status"]["enum"]) >= {"completed", "pending"}
    assert parameters["from"]["format"] == "date-time"


async def test_bodies_are_described_by_their_types(spec) -> None:
    charge = spec["definitions"]["CreateCharge"]
    assert charge["required"] == ["phone_number", "amount"]
    assert charge["additionalProperties"] is False
    assert charge["properties"]["amount"]["example"] == "50.00"
    assert charge["properties"]["metadata"]["maxProperties"] == 20
    assert charge["properties"]["reference"]["x-nullable"] is True
    (body,) = (p for p in spec["paths"]["/v1/charges/{id}/void"]["post"]["parameters"] if p["in"] == "body")
    assert body["required"] is False


@pytest.mark.parametrize("module", [answers, requests])
def test_every_wire_type_can_be_said(module) -> None:
    types = [of for of in vars(module).values() if isinstance(of, type) and issubclass(of, Struct)]
    _, definitions = swagger_schemas.definitions_of(types)
    assert len(definitions) >= len(types)
    assert "\\\\Z" not in json.dumps(definitions)  # to readers of JSON Schema, the letter Z


@pytest.mark.parametrize("module", [answers, requests])
def test_every_field_says_what_it_is(module) -> None:
    types = [of for of in vars(module).values() if isinstance(of, type) and issubclass(of, Struct)]
    _, definitions = swagger_schemas.definitions_of([*types, ProblemDocument])

    def is_described(field: dict[str, Any]) -> bool:
        if "$ref" in field:
            return "description" in definitions[field["$ref"].removeprefix("#/definitions/")]
        return "description" in field

    silent = [
        f"{name}.{field}"
        for name, definition in definitions.items()
        for field, schema in definition.get("properties", {}).items()
        if not is_described(schema)
    ]
    assert not silent


async def test_every_parameter_says_what_it_is(spec) -> None:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            silent = [p["name"] for p in operation["parameters"] if p["in"] != "body" and not p.get("description")]
            assert not silent, (method, path)


@pytest.mark.parametrize(
    "query", [of for of in vars(queries).values() if isinstance(of, type) and issubclass(of, queries.Query)]
)
def test_every_query_can_be_said(query: type[Struct]) -> None:
    parameters = swagger_schemas.query_parameters_of(query)
    assert [p["name"] for p in parameters] == list(query.__struct_encode_fields__)
    assert all(p["type"] in ("string", "integer") and not p["required"] for p in parameters)


def test_the_problem_document_is_called_problem() -> None:
    schemas, definitions = swagger_schemas.definitions_of([ProblemDocument, answers.Page[answers.Charge]])
    assert schemas[ProblemDocument] == {"$ref": "#/definitions/Problem"}
    assert {"Problem", "ChargePage", "Charge", "FieldError"} <= definitions.keys()


async def test_the_pages_load_nothing_from_elsewhere(client) -> None:
    async with client.get("/swagger") as response:
        assert response.url.path == "/swagger/"
        page = await response.text()
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "swagger-ui-bundle.js" in loaded
    assert not re.search(r"<script(?![^>]*src=)|<style|\son\w+=|style=", page)
    for name in loaded:
        assert "//" not in name
        async with client.get(f"/swagger/{name}" if not name.startswith("/") else name) as response:
            assert response.status == 200
            assert response.headers["Content-Security-Policy"] == policy


async def test_only_what_the_pages_need_is_served(client) -> None:
    assert all(path.is_file() for path in swagger_ui.FILES.values())
    for name in ("swagger-ui-bundle.js.map", "oauth2-redirect.html", "../docs.py", "%2e%2e/docs.py"):
        async with client.get(f"/swagger/{name}") as response:
            assert response.status == 404
