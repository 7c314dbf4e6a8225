"""Churn: many more sellers than fit into memory, who come, sell and go again, round after round.

Each comes over a connection of its own few, with a token of its own; meanwhile tokens and API keys are made and
ended, and event streams opened and closed. The first round fills what has a bound; in all that follow, memory, open
files and tasks must not grow any more.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import aiohttp
import asyncpg
from msgspec import Struct

from journal.embedded import EmbeddedPostgres
from journal.ids import new_id, tag_of
from service.identity.bearer import CredentialKind, digest_of, new_secret
from tests.processes.running import ADMIN_PASSWORD, PASSWORD, Client, new_seller
from tests.torture.instance import Instance
from tests.torture.process_state import descriptors, resident_bytes, slope
from tests.torture.trial import Row, ended

WAVE: Final = 100
"""Sellers at once, over connections that end with them."""
CONNECTIONS_OF_WAVE: Final = 20
STREAMS_OF_WAVE: Final = 4
MEMORY_GROWTH_MAX_BYTES: Final = 8 * 2**20
"""From the second round to the end, on the line through all samples: an allocator's noise, and no leak of a hundred
bytes for each visit of a hundred thousand."""
COUNT_GROWTH_MAX: Final = 2.0
"""Of open files, and of tasks."""
_TABLES: Final = (
    ("users", ["id", "username", "role", "password_hash", "created_at"]),
    ("sellers", ["id", "name", "search", "currency", "created_at"]),
    ("tokens", ["digest", "user_id", "created_at", "expires_at"]),
)


class Sample(Struct, frozen=True):
    """Between two waves, when nobody is there."""

    visits: int
    resident_bytes: int
    descriptors: int
    tasks: float
    actors: float


async def soak(folder: Path, seed: int, sellers: int, rounds: int, tell: Callable[[str], None]) -> Row:
    """`rounds` beside the one that warms up."""
    row = Row(f"soak: {sellers:,} sellers come and go", seed)
    samples: list[Sample] = []
    begin = time.monotonic()
    async with _instance(folder, loaded_max=max(100, sellers // 20)) as (instance, server):
        tokens = await _arrive(server.owner_url, Random(seed), sellers)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            admin = await Client(session, instance.url).signed_in("admin", ADMIN_PASSWORD)
            _, regular = await new_seller(admin, "1000000.00", "regular")
            for number in range(1 + rounds):
                for start in range(0, len(tokens), WAVE):
                    row.requests += await _wave(instance, regular, tokens[start : start + WAVE])
                    samples.append(await _sample(instance, session, len(samples) * WAVE))
                tell(f"{row.title}: round {number} of {rounds}, {samples[-1].resident_bytes / 2**20:.0f} MiB")
        found = await instance.verify()
    row.seconds = round(time.monotonic() - begin, 1)
    row.done = {"visits": len(samples) * WAVE}
    _judge(row, samples[len(samples) // (1 + rounds) :])
    if found is not None:
        row.faults.append(f"charge-shop verify: {found}")
    return row


@asynccontextmanager
async def _instance(folder: Path, loaded_max: int) -> AsyncIterator[tuple[Instance, EmbeddedPostgres]]:
    server = EmbeddedPostgres(folder / "served")
    await server.start()
    try:
        instance = Instance(
            folder,
            {
                "CHARGE_SHOP_DATABASE_URL": server.app_url,
                "CHARGE_SHOP_MIGRATION_URL": server.owner_url,
                "CHARGE_SHOP_SELLERS_LOADED_MAX": str(loaded_max),
            },
        )
        async with ended(instance):
            await instance.start()
            yield instance, server
    finally:
        await server.stop()


async def _arrive(owner_url: str, random: Random, count: int) -> list[str]:
    """Sellers and a token for each, as their creation and sign-in leave them, without a hash of a password for each."""
    now = datetime.now(UTC)
    now_us = int(now.timestamp() * 1_000_000)
    by_tag: dict[str, str] = {}
    while len(by_tag) < count:  # Of a hundred thousand, two draw the same tag more often than not.
        id_ = new_id(now_us, random.randbytes)
        by_tag.setdefault(tag_of(id_), id_)
    ids = list(by_tag.values())
    tokens = [new_secret(CredentialKind.TOKEN, random.randbytes) for _ in ids]
    names = [f"soak-{number}" for number in range(count)]
    rows: tuple[list[tuple[object, ...]], ...] = (
        [(id_, name, "seller", "", now) for id_, name in zip(ids, names, strict=True)],
        [(id_, name, name, "USD", now) for id_, name in zip(ids, names, strict=True)],
        [(digest_of(token), id_, now, now + timedelta(hours=12)) for id_, token in zip(ids, tokens, strict=True)],
    )
    connection = await asyncpg.connect(owner_url)
    try:
        for (table, columns), records in zip(_TABLES, rows, strict=True):
            await connection.copy_records_to_table(table, schema_name="shop", columns=columns, records=records)
    finally:
        await connection.close()
    return tokens


async def _wave(instance: Instance, regular: Client, tokens: list[str]) -> int:
    """How many requests it was. Every connection is closed when it is over."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS_OF_WAVE)) as session:
        clients = [Client(session, instance.url, token) for token in tokens]
        asked = await asyncio.gather(*map(_visit, clients), _identity(regular, session))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        listeners = [Client(session, instance.url, token) for token in tokens[:STREAMS_OF_WAVE]]
        streamed = await asyncio.gather(*map(_listen, listeners))
    return sum(asked) + sum(streamed)


async def _visit(seller: Client) -> int:
    """Asks for credit, sells on credit that it does not have, and looks at what it has."""
    status, asked, _, _ = await seller.ask("POST", "/v1/credit-requests", {"amount": "5.00"})
    assert status == 201, asked
    status, cancelled, _, _ = await seller.ask("POST", f"/v1/credit-requests/{asked['id']}/cancel")
    assert status == 200, cancelled
    status, declined, _, _ = await seller.charge("1.00")
    assert status == 402, declined
    status, balance, _, _ = await seller.ask("GET", "/v1/balance")
    assert (status, balance["available"]) == (200, "0.00"), balance
    return 4


async def _identity(regular: Client, session: aiohttp.ClientSession) -> int:
    """A token and an API key are made, used and ended."""
    signed_in = await Client(session, regular.address).signed_in("regular", PASSWORD)
    status, key, _, _ = await signed_in.ask("POST", "/v1/api-keys", {"name": "soak"})
    assert status == 201, key
    by_key = Client(session, regular.address, key["key"])
    status, charge, _, _ = await by_key.charge("0.01")
    assert status == 201, charge
    for path in (f"/v1/api-keys/{key['id']}", "/v1/auth/token"):
        headers = {"Authorization": f"Bearer {signed_in.token}"}
        async with session.delete(regular.address + path, headers=headers) as answer:
            assert answer.status == 204
    return 5


async def _listen(seller: Client) -> int:
    """Opens a stream, hears its beginning, and goes."""
    headers = {"Authorization": f"Bearer {seller.token}"}
    async with seller.session.get(f"{seller.address}/v1/events", headers=headers) as stream:
        assert stream.status == 200
        await stream.content.readany()
    return 1


async def _sample(instance: Instance, session: aiohttp.ClientSession, visits: int) -> Sample:
    """Once the service has seen that everybody is gone."""
    async with asyncio.timeout(60):
        while (gauges := await _gauges(instance, session))["event_streams"]:
            await asyncio.sleep(0.01)
    return Sample(
        visits,
        resident_bytes(instance.pid),
        descriptors(instance.pid),
        gauges["asyncio_tasks"],
        gauges["actors_loaded"],
    )


async def _gauges(instance: Instance, session: aiohttp.ClientSession) -> dict[str, float]:
    gauges = {}
    async with session.get(f"{instance.url}/metrics") as answer:
        for line in (await answer.text()).splitlines():
            name, _, value = line.partition(" ")
            if name in ("charge_shop_event_streams", "charge_shop_asyncio_tasks", "charge_shop_actors_loaded"):
                gauges[name.removeprefix("charge_shop_")] = float(value)
    return gauges


def _judge(row: Row, samples: list[Sample]) -> None:
    """Growth is that of the line through the samples, from the first to the last."""
    visits = samples[-1].visits - samples[0].visits

    def growth(read: Callable[[Sample], float]) -> float:
        return slope([(sample.visits, read(sample)) for sample in samples]) * visits

    memory = growth(lambda sample: sample.resident_bytes)
    files, tasks = growth(lambda sample: sample.descriptors), growth(lambda sample: sample.tasks)
    row.figures = {
        "memory_mib": round(samples[-1].resident_bytes / 2**20, 1),
        "memory_growth_bytes_per_visit": round(memory / visits, 1),
        "open_files": samples[-1].descriptors,
        "open_files_growth": round(files, 2),
        "tasks": samples[-1].tasks,
        "tasks_growth": round(tasks, 2),
        "actors_loaded": samples[-1].actors,
    }
    if memory > MEMORY_GROWTH_MAX_BYTES:
        row.faults.append(f"memory grew by {memory / 2**20:.1f} MiB over {visits:,} visits")
    if files > COUNT_GROWTH_MAX:
        row.faults.append(f"open files grew by {files:.1f} over {visits:,} visits")
    if tasks > COUNT_GROWTH_MAX:
        row.faults.append(f"tasks grew by {tasks:.1f} over {visits:,} visits")
