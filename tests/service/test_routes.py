"""The table of routes against the contract, and every kind of caller against every route."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from itertools import product
from pathlib import Path
from typing import Any, NoReturn

import asyncpg
import pytest

from actors.directory import Overloaded, RateLimited
from journal.journal import JournalState
from journal.store import JournalFault, NotApplied, OutcomeUnknown
from service import console
from service.app import running
from service.database import DatabaseHome
from service.endpoint import Who
from service.routes import Route, routes
from service.settings import Settings
from tests.conftest import Database
from tests.service.shop import ADMIN_PASSWORD, PASSWORD, PHONE, Shop, User, open_shop, served

NOBODYS = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"

CONTRACT = """
anyone              POST    /v1/auth/token
any, by token       DELETE  /v1/auth/token
any                 GET     /v1/auth/me
any, by token       POST    /v1/auth/password
seller, by token    POST    /v1/api-keys
seller, by token    GET     /v1/api-keys
seller, by token    DELETE  /v1/api-keys/{id}
admin               GET     /v1/admins
admin               POST    /v1/admins
admin               PATCH   /v1/admins/{id}
admin               POST    /v1/sellers
admin               GET     /v1/sellers
any                 GET     /v1/sellers/{id}
admin               PATCH   /v1/sellers/{id}
admin               POST    /v1/sellers/{id}/password
admin               POST    /v1/sellers/{id}/adjustments
seller              POST    /v1/credit-requests
any                 GET     /v1/credit-requests
any                 GET     /v1/credit-requests/{id}
admin               POST    /v1/credit-requests/{id}/approve
admin               POST    /v1/credit-requests/{id}/reject
seller              POST    /v1/credit-requests/{id}/cancel
any                 GET     /v1/balance
seller              POST    /v1/charges
seller              POST    /v1/charges/batch
any                 GET     /v1/charges
any                 GET     /v1/charges/{id}
seller              POST    /v1/charges/{id}/capture
seller              POST    /v1/charges/{id}/void
admin               POST    /v1/charges/{id}/refund
any                 GET     /v1/transactions
any                 GET     /v1/transactions.csv
any                 GET     /v1/transactions/{id}
any                 GET     /v1/statement
any                 GET     /v1/events
admin               GET     /v1/summary
admin               GET     /v1/trial-balance
admin               POST    /v1/verification
admin               GET     /v1/verification/{id}
anyone              GET     /healthz
anyone              GET     /readyz
anyone              GET     /metrics
"""
ROWS = [tuple(line.rsplit(maxsplit=2)) for line in CONTRACT.strip().splitlines()]
PATHS = sorted({path for _, _, path in ROWS})


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened


async def test_the_table_is_the_contract(shop: Shop) -> None:
    table = [(str(route.who), route.method, route.path) for route in routes(shop.services)]
    assert table == [tuple(row) for row in ROWS]


async def callers(shop: Shop) -> dict[str, User]:
    """One of each kind."""
    seller = await shop.seller()
    key = await seller.done("POST", "/v1/api-keys", {"name": "till"})
    return {
        "nobody": shop.nobody,
        "stranger": User(shop, "cst_" + "x" * 43),
        "admin": await shop.sign_in("admin", ADMIN_PASSWORD),
        "seller": seller,
        "api key": User(shop, key["key"], seller.id),
    }


MAY = {
    Who.ANYONE: {"nobody", "stranger", "admin", "seller", "api key"},
    Who.ANY: {"admin", "seller", "api key"},
    Who.ADMIN: {"admin"},
    Who.SELLER: {"seller", "api key"},
    Who.ANY_BY_TOKEN: {"admin", "seller"},
    Who.SELLER_BY_TOKEN: {"seller"},
}


async def test_every_route_lets_in_whom_it_should_and_nobody_else(shop: Shop) -> None:
    known = await callers(shop)
    for route in routes(shop.services):
        for kind, caller in known.items():
            path = route.path.replace("{id}", NOBODYS)
            if path == "/v1/events":
                path += "?unknown"  # The answer to those who may would never end.
            answer = await caller.ask(route.method, path)
            case = (route.method, route.path, kind, answer)
            if kind in MAY[route.who]:
                assert answer.status not in (401, 403), case
            elif kind in ("nobody", "stranger"):
                assert (answer.status, answer.code) == (401, "unauthenticated"), case
                assert answer.headers["WWW-Authenticate"].startswith("Bearer"), case
            else:
                assert (answer.status, answer.code) == (403, "forbidden"), case
            assert answer.status < 500, case
        if route.path == "/v1/auth/token":
            known = await callers(shop)  # Signing out has ended a credential.


async def test_parameters_that_an_operation_does_not_have_are_refused(shop: Shop) -> None:
    """Whoever asks for `/capture?amount=5` means that; it would be all that is held."""
    seller = await shop.seller("10.00")
    hold = (await seller.sell("9.00", capture=False)).json["id"]
    for route in routes(shop.services):
        caller = seller if route.who in (Who.SELLER, Who.SELLER_BY_TOKEN) else shop.admin
        answer = await caller.ask(route.method, route.path.replace("{id}", hold) + "?amount=5")
        if route.path.startswith("/v1/"):
            assert (answer.status, answer.code) == (422, "validation_failed"), (route.method, route.path, answer)
            assert answer.json["errors"] == [{"field": "amount", "message": "Unknown."}]
        else:
            assert answer.status == 200, (route.path, answer)
    assert await seller.balance() == ("1.00", "9.00")


BODIES = {
    "/v1/admins/{id}": {"status": "active"},
    "/v1/sellers/{id}/password": {"new_password": PASSWORD},
    "/v1/sellers/{id}/adjustments": {"amount": "1", "direction": "credit", "reason": "gift"},
    "/v1/charges/{id}/refund": {"reason": "wrong number"},
}


async def test_a_malformed_id_is_answered_like_one_that_is_nobodys(shop: Shop) -> None:
    seller = await shop.seller()
    answers: set[tuple[int, bytes]] = set()
    for who, method, path in ROWS:
        if "{id}" not in path:
            continue
        caller = seller if who.startswith("seller") else shop.admin
        body = BODIES.get(path, {"name": "New"} if method == "PATCH" else None)
        for text in (NOBODYS, "nonsense"):
            answer = await caller.ask(method, path.replace("{id}", text), body, headers={"X-Request-Id": "r"})
            answers.add((answer.status, answer.body))
    ((status, _),) = answers
    assert status == 404


async def test_other_methods_are_told_which_there_are(shop: Shop) -> None:
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")
    for path, method in product(PATHS, methods):
        allowed = {taken for _, taken, of in ROWS if of == path}
        allowed |= {"HEAD"} if "GET" in allowed else set()
        if method in allowed:
            continue
        answer = await shop.nobody.ask(method, path.replace("{id}", NOBODYS))
        assert answer.status == 405, (path, answer)
        assert set(answer.headers["Allow"].split(", ")) == allowed
        assert method == "HEAD" or answer.code == "method_not_allowed"


PAGES = {
    "/swagger.json": 200,
    "/swagger": 308,
    "/swagger/": 200,
    "/swagger/swagger-ui.css": 200,
    "/console": 308,
    "/console/": 200,
    f"/console/{console.fingerprint()}/app/main.js": 200,
    "/console/0123456789abcdef/app/main.js": 307,
    "/console/nothing.js": 404,
}
"""Of each kind that there is, and how it is answered."""


async def test_pages_take_two_methods_and_say_so(shop: Shop) -> None:
    for (path, status), method in product(PAGES.items(), ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")):
        answer = await shop.nobody.ask(method, path)
        if status == 404:
            assert (answer.status, answer.code) == (404, "not_found"), (method, path)
        else:
            assert (answer.status, answer.code) == (405, "method_not_allowed"), (method, path, answer)
            assert answer.headers["Allow"] == "GET, HEAD"


NOWHERE = [
    *("/", "/v1", "/v1/", "/v2/charges", "/v1/charge", "/v1/charges/", "/v1/charges/a/b", "//v1/charges"),
    *("/healthz/", "/V1/charges", "/v1/transactions.csv/", "/v1/%63harges%2F", "/%0A", "/v1/charges/%00/void/x"),
    *("/swagger/nothing.js", "/console/../v1", "/v1/x%0Ay"),
]


async def test_where_nothing_is_everybody_is_told_so(shop: Shop) -> None:
    for path, method in product(NOWHERE, ("GET", "POST", "DELETE")):
        answer = await shop.nobody.ask(method, path)
        assert (answer.status, answer.code) == (404, "not_found"), (method, path, answer)
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]


async def test_a_malformed_id_is_like_one_that_is_nobodys(shop: Shop) -> None:
    seller = await shop.seller()
    unknown = await seller.get(f"/v1/charges/{NOBODYS}")
    for id_ in ("1", "%00", "0195f3a2c4b070008000002a5d3e9c41", "x" * 5000, "..", "..%2f..%2fhealthz", NOBODYS + "0"):
        answer = await seller.get(f"/v1/charges/{id_}")
        assert answer.status == 404
        assert {**answer.json, "request_id": ""} == {**unknown.json, "request_id": ""}


async def test_head_is_get_without_the_body(shop: Shop) -> None:
    seller = await shop.seller()
    for path in ("/healthz", "/v1/balance", "/v1/charges", "/v1/transactions.csv"):
        head, get = await seller.ask("HEAD", path), await seller.get(path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert (await shop.nobody.ask("HEAD", "/v1/balance")).status == 401


async def test_every_route_is_documented_with_its_errors_and_security(shop: Shop) -> None:
    document = json.loads((await shop.nobody.get("/swagger.json")).body)
    for route in routes(shop.services):
        operation = document["paths"][route.path][route.method.lower()]
        assert operation["summary"]
        statuses = set(operation["responses"])
        assert {"500"} <= statuses
        is_guarded = route.who is not Who.ANYONE
        assert (operation.get("security") == [{"bearer": []}]) == is_guarded
        assert ("401" in statuses) == (is_guarded or route.path == "/v1/auth/token")
        assert ("403" in statuses) >= (is_guarded and route.who is not Who.ANY)
        assert ("404" in statuses) >= ("{id}" in route.path)
        assert ("503" in statuses) >= route.path.startswith("/v1/")
    documented = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert documented == {(route.method.lower(), route.path) for route in routes(shop.services)}


async def test_what_may_be_a_repetition_is_documented_to_say_so(shop: Shop) -> None:
    """Every success under a key, and a charge that was declined; not the debit that was refused."""
    document = json.loads((await shop.nobody.get("/swagger.json")).body)
    seller = await shop.seller("1.00")
    debit = {"amount": "2.00", "direction": "debit", "reason": "too much"}
    for caller, path, route, body in (
        (seller, "/v1/charges", "/v1/charges", {"phone_number": PHONE, "amount": "1.00"}),
        (seller, "/v1/charges", "/v1/charges", {"phone_number": PHONE, "amount": "2.00"}),
        (shop.admin, f"/v1/sellers/{seller.id}/adjustments", "/v1/sellers/{id}/adjustments", debit),
        (seller, "/v1/credit-requests", "/v1/credit-requests", {"amount": "1.00"}),
    ):
        first, again = [await caller.post(path, body, key=str(body)) for _ in range(2)]
        assert first.status == again.status
        headers = document["paths"][route]["post"]["responses"][str(again.status)]["headers"]
        assert ("Idempotent-Replayed" in headers) == ("Idempotent-Replayed" in again.headers), (route, again)


def documented(document: Any, route: Route, status: int) -> set[str]:
    """The codes that an operation may answer with this status."""
    response = document["paths"][route.path][route.method.lower()]["responses"].get(str(status))
    return set() if response is None else set(response["schema"]["allOf"][1]["properties"]["code"]["enum"])


async def test_an_instance_with_too_much_to_do_answers_as_documented(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many credentials wait to be looked up, too many requests of a seller, or of all, for their turn."""

    async def one_too_many(authorization: str | None) -> NoReturn:
        raise Overloaded

    def refusing(refused: type[Exception]) -> Callable[[str], NoReturn]:
        def enter(seller_id: str) -> NoReturn:
            raise refused

        return enter

    document = json.loads((await shop.nobody.get("/swagger.json")).body)
    seller, services = await shop.seller(), shop.services
    for route in routes(services):
        path = route.path.replace("{id}", NOBODYS)
        for caller in (seller, shop.admin) if route.who is not Who.ANYONE else ():
            with monkeypatch.context() as patched:
                patched.setattr(services.credentials, "principal", lambda authorization: None)
                patched.setattr(services.credentials, "load", one_too_many)
                answer = await caller.ask(route.method, path)
            assert (answer.status, answer.code) == (503, "overloaded"), (route.method, path)
            assert answer.code in documented(document, route, 503), (route.method, path)
        for refused, status in ((RateLimited, 429), (Overloaded, 503)):
            with monkeypatch.context() as patched:
                for turnstile in (services.writers, services.non_writers):
                    patched.setattr(turnstile, "enter", refusing(refused))
                answer = await seller.ask(route.method, f"{path}?unknown")
            assert (answer.status == status) == (route.who not in (Who.ANYONE, Who.ADMIN)), (route.method, path)
            if answer.status == status:
                assert answer.code in documented(document, route, status), (route.method, path)


IDENTITY = (
    ("POST", "/v1/auth/token", {"username": "admin", "password": ADMIN_PASSWORD}),
    ("DELETE", "/v1/auth/token", None),
    ("POST", "/v1/auth/password", {"current_password": PASSWORD, "new_password": PASSWORD}),
    ("POST", "/v1/api-keys", {"name": "till"}),
    ("DELETE", "/v1/api-keys/{id}", None),
    ("POST", "/v1/admins", {"username": "new", "password": PASSWORD}),
    ("PATCH", "/v1/admins/{id}", {"status": "disabled"}),
    ("POST", "/v1/sellers", {"username": "new", "password": PASSWORD, "name": "New"}),
    ("PATCH", "/v1/sellers/{id}", {"name": "New"}),
    ("POST", "/v1/sellers/{id}/password", {"new_password": PASSWORD}),
    ("POST", "/v1/verification", None),
    ("GET", "/v1/verification/{id}", None),
)
"""What writes without a seller's actor."""


class NotWritten(AbstractAsyncContextManager[None]):
    """A transaction of `Database.writing` that fails."""

    def __init__(self, fault: type[JournalFault]) -> None:
        self._fault = fault

    async def __aenter__(self) -> None:
        raise self._fault

    async def __aexit__(self, *_: object) -> None: ...


async def test_what_is_not_written_or_may_not_be_is_answered_as_documented(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = NOBODYS
    owner = await asyncpg.connect(database.owner_url)
    await owner.execute(
        "INSERT INTO shop.verifications (id, status, started_at) VALUES ($1, 'running', now())", interrupted
    )
    await owner.close()
    document = json.loads((await shop.nobody.get("/swagger.json")).body)
    seller, by_row = await shop.seller(), {(route.method, route.path): route for route in routes(shop.services)}

    for (method, path, body), fault in product(IDENTITY, (NotApplied, OutcomeUnknown)):
        route = by_row[method, path]
        of = {"/v1/sellers/{id}": seller.id, "/v1/sellers/{id}/password": seller.id}.get(path, NOBODYS)
        caller = shop.admin if route.who is Who.ADMIN else seller
        with monkeypatch.context() as patched:
            patched.setattr(shop.services.database, "writing", lambda fault=fault: NotWritten(fault))
            answer = await caller.ask(method, path.replace("{id}", of), body)
        code = {NotApplied: "not_applied", OutcomeUnknown: "outcome_unknown"}[fault]
        assert (answer.status, answer.code) == (503, code), (method, path, answer)
        assert answer.code in documented(document, route, 503), (method, path)


async def test_every_answer_has_its_headers(shop: Shop) -> None:
    seller = await shop.seller()
    for asked in (
        await seller.get("/v1/balance"),
        await shop.nobody.get("/v1/balance"),
        await seller.ask("DELETE", "/v1/auth/token"),
        await shop.nobody.get("/nothing"),
        await shop.nobody.ask("PUT", "/v1/charges"),
        await shop.nobody.get("/metrics"),
        await shop.nobody.get("/v1/transactions.csv"),
    ):
        assert asked.headers["X-Content-Type-Options"] == "nosniff"
        assert asked.headers["X-Frame-Options"] == "DENY"
        assert asked.headers["Referrer-Policy"] == "no-referrer"
        assert asked.headers["Cache-Control"] == "no-store"
        assert asked.headers["Server"] == "charge-shop"
        assert asked.headers["X-Request-Id"]


async def test_a_request_id_is_echoed_if_it_is_safe(shop: Shop) -> None:
    async def id_for(given: str) -> str:
        answer = await shop.nobody.ask("GET", "/v1/balance", headers={"X-Request-Id": given})
        assert answer.json["request_id"] == answer.headers["X-Request-Id"]
        return answer.headers["X-Request-Id"]

    assert await id_for("my-id:1") == "my-id:1"
    assert await id_for("x" * 128) == "x" * 128
    ids = {await id_for(given) for given in ("x" * 129, '"><script>', "", "two words")}
    assert len(ids) == 4  # each its own
    assert not ids & {"x" * 129, '"><script>', "", "two words"}


async def test_pages_have_the_headers_of_every_answer(shop: Shop) -> None:
    for (path, status), method in product(PAGES.items(), ("GET", "HEAD")):
        answer = await shop.nobody.ask(method, path, headers={"X-Request-Id": "my-id:1"})
        assert answer.status == status, (method, path, answer)
        assert answer.headers["X-Request-Id"] == "my-id:1", path
        assert answer.headers["Server"] == "charge-shop", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        made = [(await shop.nobody.ask(method, path)).headers["X-Request-Id"] for _ in range(2)]
        assert made[0] != made[1]
        if entity_tag := answer.headers.get("ETag"):
            unchanged = await shop.nobody.ask(
                method, path, headers={"X-Request-Id": "my-id:2", "If-None-Match": entity_tag}
            )
            assert (unchanged.status, unchanged.body) == (304, b"")
            assert (unchanged.headers["X-Request-Id"], unchanged.headers["Server"]) == ("my-id:2", "charge-shop")


async def test_a_page_is_counted_under_a_name_that_no_release_changes(shop: Shop) -> None:
    for path in PAGES:
        await shop.nobody.get(path)
    exposed = (await shop.nobody.get("/metrics")).body.decode()
    for route in ("/swagger.json", "/swagger/", "/swagger/{file}", "/console/", "/console/{file}"):
        assert f'charge_shop_http_requests_total{{method="GET",route="{route}",status="200"}} 1.0' in exposed
    assert console.fingerprint() not in exposed


async def test_a_standby_answers_nothing_but_that_it_is_one(database: Database) -> None:
    """Before authentication: a stranger is told the same."""
    async with open_shop(database) as leading:
        home = DatabaseHome(database.app_url, database.owner_url, is_ours_alone=False)
        async with (
            running(Settings(data_dir=Path("unused")), home) as services,
            served(services) as standby,
        ):
            for route in routes(services):
                for caller in (standby.nobody, standby.known(leading.admin)):
                    answer = await caller.ask(route.method, route.path.replace("{id}", NOBODYS))
                    if route.path.startswith("/v1/"):
                        assert (answer.status, answer.code) == (503, "standby"), (route.path, answer)
                        assert int(answer.headers["Retry-After"]) >= 1
            assert (await standby.nobody.get("/healthz")).status == 200
            ready = await standby.nobody.get("/readyz")
            assert (ready.status, ready.json) == (503, {"status": "standby"})
            assert services.journal.state is JournalState.STANDBY


async def test_a_draining_service_ends_each_connection_with_its_answer(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    shop.services.directory.drain()
    sold = await seller.sell("1.00")
    assert (sold.status, sold.code) == (503, "draining")
    assert sold.headers["Connection"] == "close"
    ready = await shop.nobody.get("/readyz")
    assert (ready.status, ready.json, ready.headers["Connection"]) == (503, {"status": "draining"}, "close")
    page = await shop.nobody.get("/console/")
    assert (page.status, page.headers["Connection"]) == (200, "close")


async def test_our_own_bugs_are_logged_and_say_nothing(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    """The real application, with its pool taken away from under it: no fault that anybody foresaw."""
    seller = await shop.seller()
    shop.services.reader.transactions = None  # type: ignore[method-assign, assignment]
    answer = await seller.ask("GET", "/v1/transactions", headers={"X-Request-Id": "find-me"})
    assert (answer.status, answer.code) == (500, "internal_error")
    assert "NoneType" not in answer.body.decode()
    (record,) = [each for each in caplog.records if each.getMessage() == "request_failed"]
    assert record.__dict__["request_id"] == "find-me"
    assert record.exc_info is not None


async def test_requests_are_counted_by_route(shop: Shop) -> None:
    seller = await shop.seller("10.00")
    await seller.sell("1.00")
    await seller.get(f"/v1/charges/{NOBODYS}")
    exposed = (await shop.nobody.get("/metrics")).body.decode()
    assert 'charge_shop_http_requests_total{method="POST",route="/v1/charges",status="201"} 1.0' in exposed
    assert 'charge_shop_http_requests_total{method="GET",route="/v1/charges/{id}",status="404"} 1.0' in exposed
    assert PASSWORD not in exposed
    assert NOBODYS not in exposed
