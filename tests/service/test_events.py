"""The stream of events over HTTP: the whole service on a real database, and clients that behave and that do not."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hashlib import sha256
from random import Random
from time import monotonic
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse
from msgspec import Struct
from msgspec.structs import replace

from service.http.bounds import Bounds
from service.http.connections import Connections
from service.http.server import HttpServer, listen
from service.routes import application_of
from tests.conftest import Database
from tests.service.shop import PASSWORD, Shop, User, open_shop

SEED = 20261124


class Event(Struct, frozen=True):
    id: str
    type: str
    data: bytes

    @property
    def transaction(self) -> Any:
        return json.loads(self.data)


class Reading:
    """A stream that is open, read block by block as the standard says."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id: str | None = None
        self.heartbeats = 0

    async def block(self) -> Event | None:
        """The next block; None for one that is no event. Raises EOFError at the end."""
        try:
            lines = (await self.response.content.readuntil(b"\n\n")).splitlines()
        except asyncio.IncompleteReadError as end:
            raise EOFError from end
        if not lines:
            raise EOFError
        fields = dict(line.split(b": ", 1) for line in lines if line and not line.startswith(b":"))
        self.heartbeats += any(line.startswith(b":") for line in lines)
        if b"id" in fields:
            self.last_id = fields[b"id"].decode()
        if b"data" not in fields:
            return None
        return Event(fields[b"id"].decode(), fields[b"event"].decode(), fields[b"data"])

    async def event(self) -> Event:
        async with asyncio.timeout(10):
            while True:
                event = await self.block()
                if event is not None:
                    return event

    async def events(self, number: int) -> list[Event]:
        return [await self.event() for _ in range(number)]

    async def ended(self) -> None:
        """Reads on until the server ends it, properly."""
        async with asyncio.timeout(5):
            with suppress(EOFError):
                while True:
                    await self.block()


@asynccontextmanager
async def reading(user: User, after: str | None = None) -> AsyncIterator[Reading]:
    headers = {"Authorization": f"Bearer {user.credential}"}
    if after is not None:
        headers["Last-Event-ID"] = after
    async with user.shop.session.get(f"{user.shop.address}/v1/events", headers=headers) as response:
        assert response.status == 200, await response.text()
        stream = Reading(response)
        assert await stream.block() is None  # The greeting.
        yield stream


async def journal(shop: Shop) -> list[Any]:
    """All transactions, oldest first."""
    found: list[Any] = []
    path = "/v1/transactions?limit=100"
    while True:
        page = await shop.admin.done("GET", path)
        found += page["data"]
        if not page["has_more"]:
            return found[::-1]
        path = f"/v1/transactions?limit=100&cursor={page['next_cursor']}"


def bound(shop: Shop, **changes: Any) -> None:
    """Streams that are opened from now on have other bounds."""
    streams, feed = shop.services.event_streams, shop.services.feed
    streams.bounds = feed.bounds = replace(feed.bounds, **changes)


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Shop]:
    async with open_shop(database) as opened:
        yield opened


# --- what is told -----------------------------------------------------------------------------------------


async def test_an_event_is_an_entry_as_its_transaction_is_answered(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    async with reading(seller) as stream:
        await seller.sell("1.00", key="k", reference='"\\é\n', metadata={"note": "line\r\nbreak \u2028 \U0001f600"})
        hold = (await seller.sell("2.00", capture=False)).json
        await seller.done("POST", f"/v1/charges/{hold['id']}/capture", {"amount": "0.50"})
        await seller.sell("1000.00")
        await seller.done("POST", "/v1/credit-requests", {"amount": "5.00", "note": "please\n"})
        events = await stream.events(6)
    assert [event.type for event in events] == ["charge", "hold", "void", "capture", "declined", "credit_requested"]
    for event in events:
        answered = await seller.get(f"/v1/transactions/{event.transaction['id']}")
        assert event.data == answered.body
        assert event.id == str(answered.json["position"])
        assert event.type == answered.json["type"]


async def test_the_answer_is_a_stream_that_nothing_between_may_keep(shop: Shop) -> None:
    seller = await shop.seller()
    async with reading(seller) as stream:
        headers = stream.response.headers
    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Accel-Buffering"] == "no"
    assert headers["X-Request-Id"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    head = await seller.ask("HEAD", "/v1/events")
    assert (head.status, head.body, head.headers["Content-Type"]) == (200, b"", "text/event-stream")


async def test_a_stream_begins_with_what_happens_from_now_on(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    await seller.sell("1.00")
    async with reading(seller) as stream:
        await seller.sell("2.00")
        assert (await stream.event()).transaction["amount"] == "-2.00"


async def test_a_seller_is_told_its_own_and_an_admin_everything_without_a_gap(shop: Shop) -> None:
    one, other = await shop.seller("100.00"), await shop.seller("100.00")
    key = await other.done("POST", "/v1/api-keys", {"name": "till"})
    async with (
        reading(one, "0") as of_one,
        reading(User(shop, key["key"]), "0") as of_other,
        reading(shop.admin, "0") as of_all,
    ):
        await asyncio.gather(*(seller.sell("1.00") for seller in (one, other) for _ in range(20)))
        entries = await journal(shop)
        assert [event.transaction for event in await of_all.events(44)] == entries
        for seller, stream in ((one, of_one), (other, of_other)):
            own = [entry for entry in entries if entry["seller_id"] == seller.id]
            assert [event.transaction for event in await stream.events(22)] == own
    assert [entry["position"] for entry in entries] == list(range(1, 45))


async def test_a_suspended_seller_listens_on(shop: Shop) -> None:
    seller = await shop.seller()
    async with reading(seller) as stream:
        await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"status": "suspended"})
        await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"status": "active"})
        assert [event.type for event in await stream.events(2)] == ["suspended", "reinstated"]


# --- coming again -----------------------------------------------------------------------------------------


async def follow(user: User, start: str, random: Random, until: int) -> list[int]:
    """Reads to a position through many connections, each torn at any byte; what was cut off half is not counted."""
    seen: list[int] = []
    last = start
    while not seen or seen[-1] < until:
        async with reading(user, last) as stream:
            for _ in range(random.choice((0, 1, 3, 50))):
                event = await stream.event()
                seen.append(int(event.id))
                if seen[-1] >= until:
                    break
            last = stream.last_id or last
            if random.random() < 0.5 and (not seen or seen[-1] < until):
                async with asyncio.timeout(10):
                    await stream.response.content.readexactly(random.randint(1, 500))
            assert stream.response.connection is not None
            stream.response.connection.close()
    return seen


async def test_nothing_is_lost_or_told_twice_wherever_the_connection_breaks(shop: Shop) -> None:
    random = Random(SEED)
    bound(shop, near=5, page_max=7, held_bytes_max=3_000)
    sellers = [await shop.seller("100.00") for _ in range(3)]
    first = (await journal(shop))[-1]["position"] + 1

    async def trade(seller: User) -> None:
        for _ in range(60):
            await asyncio.gather(*(seller.sell("0.01") for _ in range(random.choice((1, 1, 5)))))
        await seller.sell("0.02")

    followers = [(seller, Random(random.random())) for seller in (*sellers, shop.admin, shop.admin)]
    trading = asyncio.gather(*map(trade, sellers))
    early = [
        asyncio.create_task(follow(user, str(first - 1), own_random, first + 100)) for user, own_random in followers
    ]
    await trading
    entries = await journal(shop)
    last_of = {
        user.id: max(entry["position"] for entry in entries if user is shop.admin or entry["seller_id"] == user.id)
        for user, _ in followers
    }
    for (user, own_random), following in zip(followers, early, strict=True):
        seen = await following
        seen += await follow(user, str(seen[-1]), own_random, last_of[user.id]) if seen[-1] < last_of[user.id] else []
        wanted = [
            entry["position"]
            for entry in entries
            if entry["position"] >= first and (user is shop.admin or entry["seller_id"] == user.id)
        ]
        assert seen == wanted, f"seed {SEED}"


async def test_a_client_that_comes_again_after_a_restart_has_missed_nothing(database: Database) -> None:
    async with open_shop(database) as before:
        seller = await before.seller("100.00")
        async with reading(seller) as stream, reading(before.admin) as of_admin:
            await seller.sell("1.00")
            await stream.event()
            await of_admin.event()
        admin = before.admin
        await seller.sell("2.00")
    async with open_shop(database) as after:
        await after.known(seller).sell("3.00")
        for user, last in ((seller, stream.last_id), (admin, of_admin.last_id)):
            async with reading(after.known(user), last) as again:
                amounts = [event.transaction["amount"] for event in await again.events(2)]
                assert amounts == ["-2.00", "-3.00"]
                await after.known(seller).sell("4.00")
                assert (await again.event()).transaction["amount"] == "-4.00"
            await after.known(seller).sell("5.00")
            async with reading(after.known(user), again.last_id) as again:
                assert (await again.event()).transaction["amount"] == "-5.00"


async def test_a_client_that_lost_its_connection_before_the_first_event_has_missed_nothing(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    async with reading(seller) as stream:
        assert stream.last_id is not None
    await seller.sell("1.00")
    async with reading(seller, stream.last_id) as again:
        assert (await again.event()).transaction["amount"] == "-1.00"


NO_IDS = ("", " ", "-1", "+1", "01", "1.0", "1e3", "0x1", "٣", "null", "1,2", "9" * 18, "9" * 5_000, "1 2", "abc")


async def test_an_id_that_is_none_is_refused(shop: Shop) -> None:
    """Also one that the journal has not come to: it would leave out what is between."""
    seller = await shop.seller()
    for given in NO_IDS:
        async with asyncio.timeout(10):
            answer = await seller.ask("GET", "/v1/events", headers={"Last-Event-ID": given})
        assert (answer.status, answer.code) == (422, "validation_failed"), given
        assert [error["field"] for error in answer.json["errors"]] == ["Last-Event-ID"]


async def test_unknown_parameters_are_refused(shop: Shop) -> None:
    for query in ("last_event_id=1", "seller_id=1", "x"):
        answer = await shop.admin.ask("GET", f"/v1/events?{query}")
        assert (answer.status, answer.code) == (422, "validation_failed"), query


# --- clients that are slow --------------------------------------------------------------------------------


async def connect(
    user: User, address: tuple[str, int], version: str = "1.0", after: str | None = None
) -> tuple[socket.socket, bytes]:
    """A connection that asks for the stream and has room for little; and what came with the head."""
    loop = asyncio.get_running_loop()
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    narrow.setblocking(False)
    await loop.sock_connect(narrow, address)
    head = f"GET /v1/events HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {user.credential}\r\n"
    if after is not None:
        head += f"Last-Event-ID: {after}\r\n"
    await loop.sock_sendall(narrow, f"{head}\r\n".encode())
    received = b""
    while b": heartbeat\n\n" not in received:
        received += await loop.sock_recv(narrow, 4_096)
    return narrow, received.split(b": heartbeat\n\n", 1)[1]


class Look:
    """The sweep of all connections, when a test says so."""

    connections: Connections

    def after(self, seconds: float) -> None:
        self.connections.sweep(asyncio.get_running_loop().time() + seconds)


@asynccontextmanager
async def served(shop: Shop, look: Look | None = None) -> AsyncIterator[tuple[str, int]]:
    """The application on the server that it has when it is not tested, which does not cancel handlers. On its side
    too connections have room for little: they inherit that."""
    bound = listen("127.0.0.1", 0)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    bounds = Bounds(sweep_interval_s=3_600)  # The test looks at connections itself.
    server = HttpServer(application_of(shop.services), bound, lambda: shop.services.requests_in_flight, bounds)
    await server.start()
    if look is not None:
        assert server._connections is not None
        look.connections = server._connections
    try:
        yield bound.getsockname()
    finally:
        await server.close()
        bound.close()


async def sell_much(seller: User) -> None:
    """One hundred, of about 10 kB each."""
    metadata = {f"{name:02}": "x" * 500 for name in range(20)}
    for _ in range(10):
        sold = await asyncio.gather(*(seller.sell("0.01", metadata=metadata) for _ in range(10)))
        assert {answer.status for answer in sold} == {201}


async def test_a_slow_client_misses_nothing_and_costs_no_more_than_its_bound(shop: Shop) -> None:
    """More than it may hold comes while it reads nothing: it goes on from the journal, then live again."""
    bound(shop, held_bytes_max=400_000)
    seller = await shop.seller("100.00")
    loop = asyncio.get_running_loop()
    pages = most = 0
    after = shop.services.reader.after

    async def counted(*args: Any, **options: Any) -> Any:
        nonlocal pages
        pages += 1
        return await after(*args, **options)

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, shop.services.feed.held_bytes)
            await asyncio.sleep(0)

    shop.services.reader.after = counted  # type: ignore[method-assign]
    async with served(shop) as address:
        narrow, received = await connect(seller, address)
        with narrow:
            assert pages == 0, "it was not behind before"
            watching = asyncio.create_task(watch())
            await sell_much(seller)
            watching.cancel()
            async with asyncio.timeout(20):
                while received.count(b"\nevent: ") < 100:
                    received += await loop.sock_recv(narrow, 1_000_000)
            assert pages > 0
            await seller.sell("0.02")
            async with asyncio.timeout(10):
                while received.count(b"\n\n") < 101:
                    received += await loop.sock_recv(narrow, 1_000_000)
    told = [json.loads(line[6:])["seq"] for line in received.splitlines() if line.startswith(b"data: ")]
    assert told == list(range(3, 104))
    assert 0 < most < 500_000
    assert shop.services.feed.held_bytes == 0


async def no_stream(shop: Shop) -> None:
    """Waits until none is open."""
    async with asyncio.timeout(5):
        while shop.services.event_streams.open or shop.services.requests_in_flight:
            await asyncio.sleep(0.01)


async def test_a_client_that_reads_nothing_is_cut_off(shop: Shop) -> None:
    """By the one bound that all connections have."""
    seller, look = await shop.seller("100.00"), Look()
    async with served(shop, look) as address:
        narrow, received = await connect(seller, address)
        with narrow:
            await sell_much(seller)
            look.after(0)
            look.after(24)
            assert shop.services.event_streams.open == 1
            look.after(26)
            await no_stream(shop)
            async with asyncio.timeout(5):
                received += await rest_of(narrow)
    assert received.count(b"\n\n") < 100
    assert shop.services.feed.held_bytes == 0


async def test_a_client_that_reads_steadily_is_not_cut_off_however_slow_it_is(shop: Shop) -> None:
    """A megabyte that is written at once, 64 KiB of it in twenty seconds."""
    bound(shop, block_bytes_max=2_000_000)
    seller, look = await shop.seller("100.00"), Look()
    await sell_much(seller)
    loop = asyncio.get_running_loop()
    async with served(shop, look) as address:
        narrow, received = await connect(seller, address, after="0")
        with narrow:
            seconds = 0
            while received.count(b"\nevent: ") < 102:
                look.after(seconds)
                seconds += 20
                wanted = len(received) + 2**16
                async with asyncio.timeout(10):
                    while len(received) < wanted and received.count(b"\nevent: ") < 102:
                        more = await loop.sock_recv(narrow, 4_096)
                        assert more, f"cut off after {seconds} seconds"
                        received += more
    assert seconds > 200


async def rest_of(connection: socket.socket) -> bytes:
    """All that still comes, to the end of the connection."""
    received = b""
    with suppress(ConnectionError):
        while more := await asyncio.get_running_loop().sock_recv(connection, 1_000_000):
            received += more
    return received


async def test_a_client_that_has_gone_leaves_nothing_behind(shop: Shop) -> None:
    seller = await shop.seller()
    async with served(shop) as address:
        narrow, _ = await connect(seller, address)
        assert shop.services.event_streams.open == 1
        narrow.close()
        await no_stream(shop)


# --- the end ----------------------------------------------------------------------------------------------


async def end_token(shop: Shop, database: Database, user: User) -> None:
    await user.done("DELETE", "/v1/auth/token")


async def reset_password(shop: Shop, database: Database, user: User) -> None:
    await shop.admin.done("POST", f"/v1/sellers/{user.id}/password", {"new_password": PASSWORD})


async def revoke_behind_the_services_back(shop: Shop, database: Database, user: User) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute("DELETE FROM shop.tokens WHERE user_id = $1", user.id)
    await connection.close()


@pytest.mark.parametrize("revoke", [end_token, reset_password, revoke_behind_the_services_back])
async def test_a_stream_ends_with_its_token_within_a_second(shop: Shop, database: Database, revoke: Any) -> None:
    seller, other = await shop.seller("100.00"), await shop.seller()
    async with reading(seller) as stream, reading(other) as others:
        await revoke(shop, database, seller)
        revoked_at = monotonic()
        await stream.ended()
        assert monotonic() - revoked_at < 1.0
        await shop.admin.done("PATCH", f"/v1/sellers/{other.id}", {"status": "suspended"})
        assert (await others.event()).type == "suspended", "another's goes on"
    answer = await seller.get("/v1/events")
    assert (answer.status, answer.code) == (401, "unauthenticated")


async def test_a_stream_ends_with_its_api_key_and_with_its_admin(shop: Shop) -> None:
    seller, admin = await shop.seller(), await shop.another_admin()
    key = await seller.done("POST", "/v1/api-keys", {"name": "till"})
    async with reading(User(shop, key["key"])) as of_key, reading(admin) as of_admin, reading(seller) as of_seller:
        await seller.done("DELETE", f"/v1/api-keys/{key['id']}")
        await of_key.ended()
        await shop.admin.done("PATCH", f"/v1/admins/{admin.id}", {"status": "disabled"})
        await of_admin.ended()
        await shop.admin.done("PATCH", f"/v1/sellers/{seller.id}", {"status": "suspended"})
        assert (await of_seller.event()).type == "suspended", "its token is still in force"


async def test_a_stream_ends_when_its_token_expires(shop: Shop, database: Database) -> None:
    seller = await shop.seller()
    token = "cst_" + "t" * 43
    connection = await asyncpg.connect(database.owner_url)
    expires_at = await connection.fetchval(
        "INSERT INTO shop.tokens VALUES ($1, $2, now(), now() + interval '1.5 s') RETURNING expires_at",
        sha256(token.encode()).digest(),
        seller.id,
    )
    await connection.close()
    async with reading(User(shop, token)) as stream:
        await stream.ended()
        late_us = shop.services.sources.now_us() - expires_at.timestamp() * 1_000_000
        assert 0 <= late_us < 1_000_000


async def test_nothing_is_told_after_the_token_has_ended(shop: Shop) -> None:
    """Not even in the moment before the stream is closed."""
    bound(shop, watch_every_s=60.0)
    seller = await shop.seller("100.00")
    again = await shop.sign_in(f"{(await seller.done('GET', '/v1/auth/me'))['username']}", PASSWORD)
    async with reading(seller) as stream:
        await seller.sell("1.00")
        await stream.event()
        await seller.done("DELETE", "/v1/auth/token")
        await again.sell("2.00")
        async with asyncio.timeout(5):
            with pytest.raises(EOFError):
                await stream.event()


async def test_a_drain_ends_all_streams_and_opens_none(shop: Shop) -> None:
    seller = await shop.seller("100.00")
    async with reading(seller) as stream, reading(shop.admin) as of_admin:
        shop.services.directory.drain()
        await stream.ended()
        await of_admin.ended()
    await no_stream(shop)
    refused = await seller.get("/v1/events")
    assert (refused.status, refused.code) == (503, "draining")
    assert int(refused.headers["Retry-After"]) > 0


async def test_a_drain_does_not_wait_for_a_client_that_reads_nothing(shop: Shop) -> None:
    """Nor does the server, which would give it two seconds to take what it was sent."""
    seller = await shop.seller("100.00")
    async with served(shop) as address:
        narrow, _ = await connect(seller, address, "1.1")
        await sell_much(seller)
        shop.services.directory.drain()
        await no_stream(shop)
        began_at = monotonic()
    took_s = monotonic() - began_at
    narrow.close()
    assert took_s < 1.0


async def test_a_stream_ends_when_the_lease_is_lost(database: Database) -> None:
    async with open_shop(database, lease_ttl_s=1.0) as shop:
        async with reading(shop.admin) as stream:
            connection = await asyncpg.connect(database.owner_url)
            await connection.execute(
                "UPDATE cell_00.lease SET epoch = epoch + 1, owner = 'another', expires_at = now() + interval '1 hour'"
            )
            await connection.close()
            await stream.ended()
        answer = await shop.admin.get("/v1/events")
        assert (answer.status, answer.code) == (503, "standby")


# --- heartbeats and bounds --------------------------------------------------------------------------------


async def test_an_idle_stream_hears_a_heartbeat_at_once_and_then_regularly(shop: Shop) -> None:
    bound(shop, heartbeat_s=0.05, watch_every_s=0.01)
    async with reading(shop.admin) as stream:
        assert stream.heartbeats == 1
        async with asyncio.timeout(10):
            for number in range(2, 6):
                assert await stream.block() is None
                assert stream.heartbeats == number


async def test_a_user_may_have_so_many_streams_and_the_service_so_many_more(shop: Shop) -> None:
    """Whoever is one too many is told to come again: `rate_limited` is only for thousands of commands in flight."""
    bound(shop, streams_per_user_max=2, streams_max=3, watch_every_s=0.01)
    one, other = await shop.seller(), await shop.seller()
    async with reading(one), reading(one):
        refused = await one.get("/v1/events")
        assert (refused.status, refused.code) == (503, "overloaded")
        assert "This user" in refused.json["detail"]
        assert int(refused.headers["Retry-After"]) > 0
        async with reading(other):
            refused = await other.get("/v1/events")
            assert (refused.status, refused.code) == (503, "overloaded")
            assert int(refused.headers["Retry-After"]) > 0
    await no_stream(shop)
    async with reading(one), reading(one), reading(other):
        pass


async def test_streams_are_counted(shop: Shop) -> None:
    async with reading(shop.admin):
        metrics = (await shop.nobody.get("/metrics")).body.decode()
    assert "charge_shop_event_streams 1.0" in metrics
