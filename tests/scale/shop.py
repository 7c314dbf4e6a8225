"""A filled data directory, served by a real process; its database beside it, to pick sellers and give them keys."""

import os
import resource
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
from msgspec import Struct

from journal.embedded import running
from journal.ids import new_id
from service.identity.bearer import DISPLAYED_LENGTH, CredentialKind, digest_of, new_secret
from tests.processes.running import PASSWORD, Client, Serving, serving
from tests.scale.fill import Filled
from tests.torture.instance import backends_of

PAGE: Final = resource.getpagesize()

# Sellers that can sell much of what costs 0.01, from all over.
RICH: Final = """
SELECT s.seller_id::text FROM (
    SELECT a.seller_id FROM cell_00.accounts a TABLESAMPLE BERNOULLI (least(100, $2::float8))
    WHERE NOT a.is_suspended AND a.currency <> 'JPY') s
CROSS JOIN LATERAL (
    SELECT e.available_after FROM cell_00.entries e WHERE e.seller_id = s.seller_id ORDER BY e.seq DESC LIMIT 1) e
WHERE e.available_after >= 10000 ORDER BY random() LIMIT $1"""
GIVE_KEYS: Final = """
INSERT INTO shop.api_keys (id, user_id, name, prefix, digest, created_at)
SELECT k.id, k.user_id, 'scale', k.prefix, k.digest, now()
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS k (id, user_id, prefix, digest)"""


class Seller(Struct, frozen=True):
    id: str
    key: str


class Shop:
    def __init__(
        self, filled: Filled, service: Serving, postmaster: int | None, owner: Any, session: aiohttp.ClientSession
    ) -> None:
        self.filled = filled
        self.postmaster = postmaster
        self.address = service.address
        self.pid = service.process.pid
        self.owner = owner
        self.session = session
        self.admin: Client

    async def sign_in(self) -> None:
        self.admin = await Client(self.session, self.address).signed_in("admin", PASSWORD)

    def processor_s(self) -> float:
        """Used so far by the service and its database."""
        return processor_s(self.pid) + processor_s_of_server(self.postmaster)

    def client_of(self, seller: Seller) -> Client:
        return Client(self.session, self.address, seller.key)

    async def some_sellers(self, count: int) -> list[Seller]:
        """Picked at random, with credit, and with an API key of their own."""
        percent = 100 * 4 * count / self.filled.plan.sellers
        ids = [row[0] for row in await self.owner.fetch(RICH, count, percent)]
        assert ids, "no seller can sell anything"
        return await self.with_keys(ids)

    async def with_keys(self, ids: Sequence[str]) -> list[Seller]:
        sellers = [Seller(each, new_secret(CredentialKind.API_KEY, os.urandom)) for each in ids]
        await self.owner.execute(
            GIVE_KEYS,
            [new_id(self.filled.plan.until_us, os.urandom) for _ in sellers],
            ids,
            [each.key[:DISPLAYED_LENGTH] for each in sellers],
            [digest_of(each.key) for each in sellers],
        )
        return sellers


@asynccontextmanager
async def served(folder: Path, filled: Filled, settings: Mapping[str, str] | None = None) -> AsyncIterator[Shop]:
    """`settings` are names and values of the service's environment."""
    data = folder / "data"
    async with running(data) as server, serving("--data-dir", str(data), extra=settings) as service:
        owner = await asyncpg.connect(server.owner_url)
        try:
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
                shop = Shop(filled, service, server.pid, owner, session)
                await shop.sign_in()
                yield shop
        finally:
            await owner.close()


def rss_bytes(pid: int) -> int:
    """What the process holds in memory. Shared pages count, which a Python process has few of."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def processor_s_of_server(postmaster: int | None) -> float:
    """Of all its processes, those that have ended too."""
    assert postmaster is not None
    return sum(map(processor_s, (postmaster, *backends_of(postmaster))))


def processor_s(pid: int) -> float:
    """Of the process, and of its children that have ended; nothing when it has ended itself."""
    try:
        times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    except OSError:
        return 0.0
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
