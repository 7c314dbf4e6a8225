"""Sends the corpus to a service, and watches what each request costs it.

Time is that of the thread which runs the event loop, on the processor: a stall of our own making shows in it, and
one that the rest of the machine makes does not.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from msgspec import Struct, field

from service.problems import CONTENT_TYPE, PROBLEMS
from tests.fuzz.corpus import Hostile, Places, corpus
from tests.processes.running import ADMIN_PASSWORD, Client, new_seller
from tests.torture.instance import Instance
from tests.torture.process_state import main_thread_s

ANSWER_S_MAX: Final = 0.05
STALL_S_MAX: Final = 0.1
PATIENCE_S: Final = 60.0
_PAUSE_S: Final = 0.005
_STATUS_OF: Final = {code.value: problem.status for code, problem in PROBLEMS.items()}


class Watch(Struct):
    """What a probe saw that asked `/healthz` all the time."""

    asked: int = 0
    stalls_s: list[float] = field(default_factory=list)
    """Above the bound."""
    longest_s: float = 0.0


@asynccontextmanager
async def watched(instance: Instance) -> AsyncIterator[Watch]:
    watch = Watch()

    async def probe() -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                begin_s = main_thread_s(instance.pid)
                async with session.get(f"{instance.url}/healthz") as answer:
                    assert answer.status == 200
                took_s = main_thread_s(instance.pid) - begin_s
                watch.asked += 1
                watch.longest_s = max(watch.longest_s, took_s)
                if took_s > STALL_S_MAX:
                    watch.stalls_s.append(took_s)
                await asyncio.sleep(_PAUSE_S)

    task = asyncio.create_task(probe())
    try:
        yield watch
    finally:
        if task.done():
            task.result()
        task.cancel()


class Told(Struct, frozen=True):
    """An answer to the corpus."""

    name: str
    status: int
    """0 when the connection ended without one."""
    code: str
    took_s: float
    fault: str | None


async def places_of(session: aiohttp.ClientSession, instance: Instance) -> tuple[Client, Client, Places]:
    """An admin, a seller, and what they have."""
    admin = await Client(session, instance.url).signed_in("admin", ADMIN_PASSWORD)
    seller_id, seller = await new_seller(admin, "1000000.00", "target")
    body = {"phone_number": "+15550100001", "amount": "5.00", "capture": False, "expires_in": 604_800}
    status, hold, _, _ = await seller.ask("POST", "/v1/charges", body)
    assert status == 201
    assert admin.token is not None
    assert seller.token is not None
    return admin, seller, Places(seller.token, admin.token, seller_id, hold["id"])


async def send_corpus(instance: Instance, places: Places) -> list[Told]:
    return [await _send(instance, hostile) for hostile in corpus(places)]


async def _send(instance: Instance, hostile: Hostile) -> Told:
    begin_s = main_thread_s(instance.pid)
    received = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", instance.port)
    try:
        async with asyncio.timeout(PATIENCE_S):
            try:
                writer.write(hostile.sent)
                received = await _answer(reader)
            except (ConnectionError, asyncio.IncompleteReadError):
                if not hostile.may_close_first:
                    raise
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as fault:
        return Told(hostile.name, 0, "", 0.0, f"no answer: {fault!r}")
    finally:
        writer.transport.abort()
    took_s = main_thread_s(instance.pid) - begin_s
    return _told(hostile, received, took_s)


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """Head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b": ")
        if name.lower() == b"content-length":
            return head + await reader.readexactly(int(value))
    return head


def _told(hostile: Hostile, received: bytes, took_s: float) -> Told:
    """Whether it is a problem of the contract, in time."""
    if not received:
        return Told(hostile.name, 0, "", took_s, None)
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head[9:12])
    code, fault = "", None
    if f"Content-Type: {CONTENT_TYPE}".encode() in head:
        code = json.loads(body)["code"]
    if not 400 <= status < 500:
        fault = f"{status}"
    elif code not in _STATUS_OF or _STATUS_OF[code] != status:
        fault = f"{status} {code!r} is not of the contract: {received[:300]!r}"
    elif took_s > ANSWER_S_MAX:
        fault = f"took {took_s * 1000:.0f} ms"
    return Told(hostile.name, status, code, took_s, fault)
