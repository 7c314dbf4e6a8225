"""Around the handlers: what is too much, too large or cut off ends as the contract says, for its sender alone."""

import asyncio
import gc
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest
from yarl import URL

from actors.directory import RateLimited
from journal.store import JournalUnavailable
from tests.conftest import Database
from tests.service.shop import PASSWORD, PHONE, Answer, Shop, User, open_shop


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened


class Wire:
    """A connection on which anything can be written."""

    def __init__(self, shop: Shop) -> None:
        self._port = URL(shop.address).port

    async def __aenter__(self) -> "Wire":
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")


def head_of_sale(
    seller: User, body: bytes, *headers: str, length: int | None = None, path: str = "/v1/charges", method: str = "POST"
) -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: shop",
        f"Authorization: Bearer {seller.credential}",
        "Content-Type: application/json",
        f"Content-Length: {len(body) if length is None else length}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


SALE = json.dumps({"phone_number": PHONE, "amount": "1.00"}).encode()
BATCH = b'{"mode":"independent","charges":[%b,%b]}' % (SALE, SALE)


async def test_too_many_at_once_are_told_to_come_back(database: Database) -> None:
    async with open_shop(database, seller_in_flight_max=3) as shop:
        seller, other = await shop.seller("100.00"), await shop.seller("100.00")
        answers = await asyncio.gather(*(seller.sell("1.00") for _ in range(40)), other.sell("1.00"))
        assert answers.pop().status == 201
        kinds = Counter((answer.status, answer.code) for answer in answers)
        assert set(kinds) == {(201, None), (429, "rate_limited")}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.status == 429)
        sold = kinds[201, None]
        assert await seller.balance() == (f"{100 - sold}.00", "0.00")


async def test_overload_sheds_before_deciding(database: Database) -> None:
    async with open_shop(database, in_flight_max=3) as shop:
        seller = await shop.seller("100.00")
        answers = await asyncio.gather(*(seller.sell("1.00") for _ in range(40)))
        kinds = Counter((answer.status, answer.code) for answer in answers)
        assert set(kinds) == {(201, None), (503, "overloaded")}
        assert await seller.balance() == (f"{100 - kinds[201, None]}.00", "0.00")


async def test_who_is_refused_leaves_nothing_for_the_garbage_collector(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flood of refusals would fill the memory with requests until it comes."""
    monkeypatch.setattr("service.turnstile.ON_THEIR_WAY_MAX", 1)
    monkeypatch.setattr("service.turnstile.ENTRIES_PER_TURN", 1)
    async with open_shop(database, seller_in_flight_max=1) as shop:
        seller = await shop.seller("1000.00")
        gc.collect()
        gc.disable()
        try:
            answers = await asyncio.gather(*(seller.sell("1.00") for _ in range(100)))
            assert {answer.code for answer in answers} == {None, "rate_limited"}
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert not [left for left in gc.garbage if isinstance(left, RateLimited)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()


@asynccontextmanager
async def journal_that_stands_still(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Sequence["asyncio.Future[Answer]"]]:
    """Another seller's sales are on their way into it, as many as may be, and others wait for their turn. All of them
    are sold in the end."""
    monkeypatch.setattr("service.turnstile.ON_THEIR_WAY_MAX", 20)
    seller = await shop.seller("1000.00")
    owner = await asyncpg.connect(database.owner_url)
    async with owner.transaction():
        await owner.execute("LOCK TABLE cell_00.entries IN SHARE MODE")
        sales = [asyncio.ensure_future(seller.sell("0.01")) for _ in range(80)]
        async with asyncio.timeout(30):
            # All have come, and who waits from now on is somebody else.
            while shop.services.writers.waiting + shop.services.directory.in_flight < len(sales):
                await asyncio.sleep(0.01)
            assert shop.services.writers.waiting
            yield sales
    await owner.close()
    assert {answer.status for answer in await asyncio.gather(*sales)} == {201}


async def test_others_go_on_while_the_journal_stands_still(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever needs nothing of it: a leaked key can be revoked, and a balance be seen."""
    other = await shop.seller("10.00")
    key = await other.done("POST", "/v1/api-keys", {"name": "leaked"})
    async with journal_that_stands_still(shop, database, monkeypatch) as sales:
        for path in ("/v1/balance", "/v1/auth/me", "/v1/api-keys"):
            assert (await other.get(path)).status == 200
        assert (await other.ask("DELETE", f"/v1/api-keys/{key['id']}")).status == 204
        assert not any(sale.done() for sale in sales)


async def test_a_credential_that_is_revoked_while_its_request_waits_sells_nothing(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await shop.seller("10.00")
    key = await other.done("POST", "/v1/api-keys", {"name": "leaked"})
    async with journal_that_stands_still(shop, database, monkeypatch):
        waiting = shop.services.writers.waiting
        stolen = asyncio.ensure_future(User(shop, key["key"]).sell("5.00"))
        while shop.services.writers.waiting == waiting:
            await asyncio.sleep(0.01)
        assert (await other.ask("DELETE", f"/v1/api-keys/{key['id']}")).status == 204
    assert (await stolen).status == 401
    assert await other.balance() == ("10.00", "0.00")


async def test_connections_to_the_database_may_die(shop: Shop, database: Database) -> None:
    """Every 503 is retried under its key, as the contract says: nothing is lost, nothing is doubled."""
    seller = await shop.seller("100.00")
    owner = await asyncpg.connect(database.owner_url)

    async def sell(key: str) -> Any:
        async with asyncio.timeout(30):
            while (answer := await seller.sell("1.00", key=key)).status != 201:
                assert answer.status == 503, answer
                assert answer.code in ("journal_unavailable", "not_applied", "outcome_unknown", "standby"), answer
                assert int(answer.headers["Retry-After"]) >= 1
                await asyncio.sleep(0.02)
            return answer.json["id"]

    async def cut() -> None:
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            database.name,
        )

    sold: list[str] = []
    for round_ in range(3):
        results = await asyncio.gather(*(sell(f"{round_} {number}") for number in range(10)), cut())
        sold += results[:-1]
    await owner.close()
    assert len(set(sold)) == 30
    async with asyncio.timeout(30):
        while (shown := await seller.get("/v1/balance")).status != 200:
            await asyncio.sleep(0.02)
    assert shown.json["available"] == "70.00"


async def test_what_was_asked_happens_though_the_client_is_gone(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    async with Wire(shop) as wire:
        wire.send(head_of_sale(seller, SALE) + SALE)
        await wire.writer.drain()
        wire.writer.transport.abort()
    async with asyncio.timeout(10):
        while (await seller.balance())[0] != "99.00":
            await asyncio.sleep(0)


async def waits_for_a_turn(shop: Shop, waiting: int) -> None:
    """One more than so many do."""
    async with asyncio.timeout(10):
        while shop.services.writers.waiting == waiting:
            await asyncio.sleep(0.01)


async def leave(wire: Wire, shop: Shop) -> None:
    """The client has gone, and the server has noticed: what is asked after that is answered."""
    wire.writer.transport.abort()
    assert await wire.reader.read() == b""
    assert (await shop.admin.get("/v1/auth/me")).status == 200


async def test_who_goes_while_waiting_for_a_turn_has_nothing_done(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would hear of it; and it is not taken for a malformed request."""
    caplog.set_level("INFO")
    async with open_shop(database, access_log=True) as shop:
        other = await shop.seller("10.00")
        hold = (await other.sell("4.00", capture=False)).json["id"]
        async with journal_that_stands_still(shop, database, monkeypatch):
            for path, body in (("/v1/charges", SALE), (f"/v1/charges/{hold}/void", b"")):
                waiting = shop.services.writers.waiting
                async with Wire(shop) as wire:
                    wire.send(head_of_sale(other, body, path=path) + body)
                    await waits_for_a_turn(shop, waiting)
                    await leave(wire, shop)
        assert (await other.get(f"/v1/charges/{hold}")).json["status"] == "pending"
        assert await other.balance() == ("6.00", "4.00")
        exposed = (await shop.nobody.get("/metrics")).body.decode()
    for path in ("/v1/charges", "/v1/charges/{id}/void"):
        assert f'charge_shop_http_requests_total{{method="POST",route="{path}",status="499"}} 1.0' in exposed
    lines = [each.__dict__ for each in caplog.records if each.getMessage() == "request"]
    assert [line["path"] for line in lines if line["status"] == 499] == ["/v1/charges", "/v1/charges/{id}/void"]
    assert not [each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]


async def test_a_batch_whose_sender_goes_before_it_is_begun_is_not_sold(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for another turn once its body has come."""
    other = await shop.seller("10.00")
    async with Wire(shop) as wire:
        wire.send(head_of_sale(other, BATCH, path="/v1/charges/batch"))
        await is_in_flight(shop)
        async with journal_that_stands_still(shop, database, monkeypatch):
            waiting = shop.services.writers.waiting
            wire.send(BATCH)
            await waits_for_a_turn(shop, waiting)
            await leave(wire, shop)
    assert await other.balance() == ("10.00", "0.00")


@pytest.mark.parametrize("path", ["/v1/charges", "/v1/charges/batch"])
async def test_a_credential_that_is_revoked_before_the_body_has_come_sells_nothing(shop: Shop, path: str) -> None:
    """A head that was sent in time is no way back in."""
    other = await shop.seller("10.00")
    key = await other.done("POST", "/v1/api-keys", {"name": "leaked"})
    body = SALE if path == "/v1/charges" else BATCH
    async with Wire(shop) as wire:
        wire.send(head_of_sale(User(shop, key["key"]), body, path=path) + body[:5])
        await is_in_flight(shop)
        assert (await other.ask("DELETE", f"/v1/api-keys/{key['id']}")).status == 204
        wire.send(body[5:])
        assert (await wire.head()).startswith(b"HTTP/1.1 401 ")
    assert await other.balance() == ("10.00", "0.00")


async def test_an_admin_who_was_disabled_does_not_enable_itself(shop: Shop) -> None:
    made = await shop.admin.done("POST", "/v1/admins", {"username": "other", "password": PASSWORD})
    other = await shop.sign_in("other", PASSWORD)
    body = b'{"status":"active"}'
    path = f"/v1/admins/{made['id']}"
    async with Wire(shop) as wire:
        wire.send(head_of_sale(other, body, path=path, method="PATCH"))
        await is_in_flight(shop)
        assert (await shop.admin.ask("PATCH", path, {"status": "disabled"})).status == 200
        wire.send(body)
        assert (await wire.head()).startswith(b"HTTP/1.1 401 ")
    listed = await shop.admin.done("GET", "/v1/admins")
    assert {each["username"]: each["status"] for each in listed["data"]} == {"admin": "active", "other": "disabled"}


@pytest.mark.parametrize("operation", ["an admin", "a seller", "a password"])
async def test_an_admin_who_is_disabled_while_a_password_waits_makes_nobody(shop: Shop, operation: str) -> None:
    """Passwords are hashed one after the other: for seconds, when many sign in."""
    other, seller = await shop.another_admin(), await shop.seller()
    path, body = {
        "an admin": ("/v1/admins", {"username": "accomplice", "password": PASSWORD}),
        "a seller": ("/v1/sellers", {"username": "accomplice", "password": PASSWORD, "name": "x"}),
        "a password": (f"/v1/sellers/{seller.id}/password", {"new_password": "another password"}),
    }[operation]
    passwords = shop.services.passwords
    async with AsyncExitStack() as turns:
        while not passwords._turns.locked():
            await turns.enter_async_context(passwords.turn())
        asked = asyncio.create_task(other.post(path, body))
        async with asyncio.timeout(10):
            while not passwords._waiting:
                await asyncio.sleep(0)
        await shop.admin.done("PATCH", f"/v1/admins/{other.id}", {"status": "disabled"})
    assert (await asked).code == "unauthenticated"
    assert (await seller.get("/v1/auth/me")).status == 200
    for whom in ("admins", "sellers"):
        listed = await shop.admin.done("GET", f"/v1/{whom}")
        assert "accomplice" not in {each["username"] for each in listed["data"]}


async def test_a_token_that_ends_while_the_account_is_waited_for_makes_no_key(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    seller = await shop.seller()
    whole = shop.services.directory.ask
    has_come, may_go_on = asyncio.Event(), asyncio.Event()

    async def delayed(*asked: Any, **more: Any) -> Any:
        has_come.set()
        await may_go_on.wait()
        return await whole(*asked, **more)

    monkeypatch.setattr(shop.services.directory, "ask", delayed)
    asked = asyncio.create_task(seller.post("/v1/api-keys", {"name": "for later"}))
    await has_come.wait()
    reset = {"new_password": "another password"}
    await shop.admin.done("POST", f"/v1/sellers/{seller.id}/password", reset)
    may_go_on.set()
    assert (await asked).code == "unauthenticated"


async def test_a_credential_that_is_revoked_while_its_batch_waits_to_begin_sells_nothing(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await shop.seller("10.00")
    key = await other.done("POST", "/v1/api-keys", {"name": "leaked"})
    async with Wire(shop) as wire:
        wire.send(head_of_sale(User(shop, key["key"]), BATCH, path="/v1/charges/batch"))
        await is_in_flight(shop)
        async with journal_that_stands_still(shop, database, monkeypatch):
            waiting = shop.services.writers.waiting
            wire.send(BATCH)
            await waits_for_a_turn(shop, waiting)
            assert (await other.ask("DELETE", f"/v1/api-keys/{key['id']}")).status == 204
        assert (await wire.head()).startswith(b"HTTP/1.1 401 ")
    assert await other.balance() == ("10.00", "0.00")


async def is_in_flight(shop: Shop) -> None:
    """The head of a request has come."""
    async with asyncio.timeout(10):
        while not shop.services.requests_in_flight:
            await asyncio.sleep(0.01)


async def test_a_body_that_stops_halfway_is_nobodys_charge(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    seller = await shop.seller("100.00")
    async with Wire(shop) as wire:
        wire.send(head_of_sale(seller, SALE) + SALE[:20])
        await wire.writer.drain()
        wire.writer.transport.abort()
    async with asyncio.timeout(10):
        while shop.services.requests_in_flight:
            await asyncio.sleep(0)
    assert await seller.balance() == ("100.00", "0.00")
    assert not [each for each in caplog.records if each.getMessage() == "request_failed"]


async def test_a_large_body_is_refused_by_its_head(shop: Shop) -> None:
    """Neither read nor asked for; and the connection ends, for what follows on it is not a request."""
    seller = await shop.seller("100.00")
    for headers in ((), ("Expect: 100-continue",)):
        async with Wire(shop) as wire:
            wire.send(head_of_sale(seller, b"", *headers, length=100_000_000))
            head = await wire.head()
            assert head.startswith(b"HTTP/1.1 413 ")
            assert b"connection: close" in head.lower()
            body = await wire.reader.read()
            assert json.loads(body)["code"] == "body_too_large"


async def test_a_client_that_waits_is_told_to_go_on(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    async with Wire(shop) as wire:
        wire.send(head_of_sale(seller, SALE, "Expect: 100-continue"))
        assert (await wire.head()).startswith(b"HTTP/1.1 100 ")
        wire.send(SALE)
        assert (await wire.head()).startswith(b"HTTP/1.1 201 ")
    async with Wire(shop) as wire:
        wire.send(head_of_sale(seller, SALE, "Expect: miracles") + SALE)
        assert (await wire.head()).startswith(b"HTTP/1.1 201 ")


async def test_what_is_not_plain_json_is_refused(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    for headers in (
        {"Content-Encoding": "gzip"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
    ):
        answer = await seller.ask("POST", "/v1/charges", data=SALE, headers=headers)
        assert (answer.status, answer.code) == (415, "unsupported_media_type"), headers
    with_charset = {"Content-Type": "application/json; charset=utf-8"}
    assert (await seller.ask("POST", "/v1/charges", data=SALE, headers=with_charset)).status == 201


async def test_an_export_that_fails_halfway_cannot_be_taken_for_a_whole_one(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    whole = shop.services.reader.export

    async def failing(**asked: Any) -> Any:
        async for chunk in whole(**asked):
            yield chunk
            raise JournalUnavailable("the database went away")

    shop.services.reader.export = failing  # type: ignore[method-assign]
    with pytest.raises(aiohttp.ClientError):
        await seller.get("/v1/transactions.csv")
    assert (await seller.get("/v1/balance")).status == 200

    async def failing_at_once(**asked: Any) -> Any:
        if asked:
            raise JournalUnavailable("the database is away")
        yield []

    shop.services.reader.export = failing_at_once  # type: ignore[method-assign]
    answer = await seller.get("/v1/transactions.csv")
    assert (answer.status, answer.code) == (503, "journal_unavailable")


async def test_an_export_ends_with_its_credential(shop: Shop) -> None:
    """Whoever reads slowly could have taken the journal away with a key that was revoked hours ago."""
    seller = await shop.seller("100.00")
    key = await seller.done("POST", "/v1/api-keys", {"name": "stolen"})
    whole = shop.services.reader.export

    async def interrupted(**asked: Any) -> Any:
        async for chunk in whole(**asked):
            yield chunk
            await seller.done("DELETE", f"/v1/api-keys/{key['id']}")
            yield chunk

    shop.services.reader.export = interrupted  # type: ignore[method-assign]
    with pytest.raises(aiohttp.ClientError):
        await User(shop, key["key"]).get("/v1/transactions.csv")


async def test_the_access_log_shows_who_and_what_but_no_secrets(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with open_shop(database, access_log=True) as shop:
        seller = await shop.seller("100.00")
        charge_id = (await seller.sell("1.00")).json["id"]
        await seller.get(f"/v1/charges/{charge_id}", color="red")
    lines = [each.__dict__ for each in caplog.records if each.getMessage() == "request"]
    assert {"method": "GET", "path": "/v1/charges/{id}", "status": 422}.items() <= lines[-1].items()
    assert lines[-1]["principal"] == seller.id
    logged = " ".join(str(line) for line in lines)
    assert seller.credential is not None
    assert charge_id not in logged
    assert seller.credential not in logged
