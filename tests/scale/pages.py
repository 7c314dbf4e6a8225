"""Every page that the API answers, asked for at random places: of a seller with a long history, and of all sellers."""

import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from journal.entry import EntryType
from journal.projections import ChargeStatus, CreditRequestStatus
from tests.processes.running import Client
from tests.scale.figures import Figure, latencies, percentile
from tests.scale.shop import Shop

P99_MS_MAX: Final = 20.0
LIMIT: Final = 50
SAMPLE: Final = """
SELECT e.phone_number, e.reference, e.idempotency_key FROM cell_00.entries e
WHERE e.seller_id = $1 AND e.seq = ANY($2::bigint[]) AND e.type = 'charge'
    AND e.reference IS NOT NULL AND e.idempotency_key IS NOT NULL"""
LAST_SEQ: Final = "SELECT max(seq) FROM cell_00.entries WHERE seller_id = $1"

Query = Callable[[], dict[str, Any]]


async def pages(shop: Shop, times: int) -> list[Figure]:
    """So many of each kind, one at a time."""
    asking = _Asking(shop, times)
    await asking.prepare()
    return [figure async for figure in asking.all()]


class _Asking:
    def __init__(self, shop: Shop, times: int) -> None:
        self._shop = shop
        self._times = times
        self._random = Random(1)
        self._big = shop.filled.big_seller
        self._known: list[Any] = []
        self._client: Client

    async def prepare(self) -> None:
        (seller,) = await self._shop.with_keys([self._big])
        self._client = self._shop.client_of(seller)
        last = await self._shop.owner.fetchval(LAST_SEQ, self._big)
        seqs = [self._random.randrange(1, last + 1) for _ in range(20 * self._times)]
        self._known = await self._shop.owner.fetch(SAMPLE, self._big, seqs)

    async def all(self) -> AsyncIterator[Figure]:
        worst = 0.0
        for name, client, path, query in self._kinds():
            took_s = await self._ask(client, path, query)
            worst = max(worst, percentile(took_s, 0.99))
            for figure in latencies(name, took_s, P99_MS_MAX):
                yield figure
        yield Figure("the slowest of these, p99", round(1_000 * worst, 2), "ms", P99_MS_MAX)

    def _kinds(self) -> list[tuple[str, Client, str, Query]]:
        own, admin = self._client, self._shop.admin
        kinds: list[tuple[str, Client, str, Query]] = [
            ("balance as of a time", own, "/v1/balance", lambda: {"at": self._moment()}),
            ("statement", own, "/v1/statement", self._window),
            ("statement of all", own, "/v1/statement", dict),
        ]
        for whose, client in (("its ", own), ("all ", admin)):
            for path in ("charges", "transactions"):
                kinds += [
                    (f"{whose}{path}", client, f"/v1/{path}", self._until),
                    (f"{whose}{path} of a time", client, f"/v1/{path}", self._window),
                ]
            kinds += [
                (f"{whose}charges: {status}", client, "/v1/charges", self._also(self._until, status=status))
                for status in ChargeStatus
            ]
            kinds += [
                (f"{whose}charges by {name}", client, "/v1/charges", self._by(name))
                for name in ("phone_number", "reference", "idempotency_key")
            ]
            kinds += [
                (f"{whose}transactions: {type_}", client, "/v1/transactions", self._also(self._until, type=type_))
                for type_ in EntryType
            ]
            kinds += [
                (f"{whose}credit requests: {status}", client, "/v1/credit-requests", self._also(dict, status=status))
                for status in CreditRequestStatus
            ]
        return [
            *kinds,
            ("sellers", admin, "/v1/sellers", dict),
            ("sellers: suspended", admin, "/v1/sellers", lambda: {"status": "suspended"}),
            ("sellers: active", admin, "/v1/sellers", lambda: {"status": "active"}),
            ("sellers by a name", admin, "/v1/sellers", lambda: {"q": f"shop {self._seller_number()}"}),
            ("sellers by part of a name", admin, "/v1/sellers", lambda: {"q": f"{self._seller_number()}"[:3]}),
        ]

    async def _ask(self, client: Client, path: str, query: Query) -> list[float]:
        """Every other time the page that follows."""
        took_s: list[float] = []
        asked: dict[str, Any] = {}
        cursor = None
        while len(took_s) < self._times:
            asked = query() if cursor is None else asked | {"cursor": cursor}
            begin = time.perf_counter()
            status, answer, _, _ = await client.ask("GET", f"{path}?{urlencode(asked)}")
            took_s.append(time.perf_counter() - begin)
            assert status == 200, (path, asked, answer)
            cursor = answer.get("next_cursor") if cursor is None else None
        return took_s

    # --- what to ask for ---

    def _moment_us(self) -> int:
        plan = self._shop.filled.plan
        return self._random.randrange(plan.from_us, plan.until_us)

    def _moment(self) -> str:
        return _time(self._moment_us())

    def _until(self) -> dict[str, Any]:
        return {"limit": LIMIT, "to": self._moment()}

    def _window(self) -> dict[str, Any]:
        first, last = sorted((self._moment_us(), self._moment_us()))
        return {"from": _time(first), "to": _time(last + 1)}

    def _also(self, query: Query, **members: str) -> Query:
        return lambda: query() | members

    def _by(self, name: str) -> Query:
        return lambda: {name: self._random.choice(self._known)[name]}

    def _seller_number(self) -> int:
        return self._random.randrange(self._shop.filled.plan.sellers)


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
