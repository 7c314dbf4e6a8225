"""The usual design at its best: aiohttp, asyncpg, and a transaction per charge that locks the seller's row.

A pool of connections that stay open, statements that asyncpg prepares once on each, tokens looked up in memory, one
index besides the primary keys. A charge takes BEGIN, SELECT ... FOR UPDATE, UPDATE, INSERT and COMMIT. It does less
than the service: no hash chain, no answer to a repeated key but a refusal, no holds, no events.

The database's URL is in ROW_LOCKS_DATABASE_URL, for it holds a password. Seller n has the token `seller-n`.
"""

import argparse
import os
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Final

import asyncpg
import msgspec
import uvloop
from aiohttp import web

DATABASE_URL: Final = "ROW_LOCKS_DATABASE_URL"
CONNECTIONS: Final = 32
"""The best of 4, 8, 16 and 32 on two cores with 64 clients: the more transactions at once, the more share a sync."""
CREDIT: Final = 10**15

TABLES: Final = """
    CREATE TABLE sellers (
        id         bigint PRIMARY KEY,
        available  bigint NOT NULL CHECK (available >= 0)
    ) WITH (fillfactor = 50);   -- room for updates in place
    CREATE TABLE charges (
        id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        seller_id        bigint NOT NULL,
        phone_number     text NOT NULL,
        amount           bigint NOT NULL,
        available_after  bigint NOT NULL,
        idempotency_key  text,
        created_at       timestamptz NOT NULL DEFAULT now(),
        UNIQUE (seller_id, idempotency_key)
    );
"""
LOCK: Final = "SELECT available FROM sellers WHERE id = $1 FOR UPDATE"
TAKE: Final = "UPDATE sellers SET available = $2 WHERE id = $1"
RECORD: Final = """
    INSERT INTO charges (seller_id, phone_number, amount, available_after, idempotency_key)
    VALUES ($1, $2, $3, $4, $5) RETURNING id, created_at
"""

POOL: Final = web.AppKey("pool", asyncpg.Pool)
SELLERS: Final = web.AppKey("sellers", dict[str, int])


class Sale(msgspec.Struct):
    phone_number: str
    amount: str


async def sell(request: web.Request) -> web.Response:
    seller_id = request.app[SELLERS].get(request.headers.get("Authorization", ""))
    if seller_id is None:
        return web.Response(status=401)
    sale = msgspec.json.decode(await request.read(), type=Sale)
    amount = int(sale.amount.replace(".", ""))
    key = request.headers.get("Idempotency-Key")
    try:
        async with request.app[POOL].acquire() as connection, connection.transaction():
            available = await connection.fetchval(LOCK, seller_id)
            if available < amount:
                return web.Response(status=402)
            available -= amount
            await connection.execute(TAKE, seller_id, available)
            row = await connection.fetchrow(RECORD, seller_id, sale.phone_number, amount, available, key)
    except asyncpg.UniqueViolationError:
        return web.Response(status=409)
    return web.Response(status=201, body=_encoded(row, sale, available), content_type="application/json")


def _encoded(row: Any, sale: Sale, available: int) -> bytes:
    return msgspec.json.encode(
        {
            "id": row["id"],
            "phone_number": sale.phone_number,
            "amount": sale.amount,
            "status": "completed",
            "available": available,
            "created_at": row["created_at"],
        }
    )


async def _with_database(app: web.Application, *, url: str, sellers: int) -> AsyncIterator[None]:
    async with asyncpg.create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        await pool.execute(TABLES)
        await pool.executemany("INSERT INTO sellers VALUES ($1, $2)", [(number, CREDIT) for number in range(sellers)])
        app[POOL] = pool
        app[SELLERS] = {f"Bearer seller-{number}": number for number in range(sellers)}
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtest.baselines.row_locks", description=__doc__)
    parser.add_argument("--port", type=int, default=8082)
    parser.add_argument("--sellers", type=int, default=1000)
    options = parser.parse_args()
    url = os.environ.get(DATABASE_URL)
    if not url:
        parser.error(f"{DATABASE_URL} must hold the URL of an empty database")
    app = web.Application()
    app.router.add_post("/v1/charges", sell)
    app.cleanup_ctx.append(partial(_with_database, url=url, sellers=options.sellers))
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None, loop=uvloop.new_event_loop())


if __name__ == "__main__":
    main()
