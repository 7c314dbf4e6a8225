"""A real `charge-shop` process, and a small client of its API. Every process is ended by the test that started it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ADMIN_PASSWORD = "the admin's password"
PASSWORD = "a long password"
READY_TIMEOUT_S = 60.0


@dataclass
class Finished:
    """How a command ended."""

    status: int
    out: str
    err: str


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without any setting of the shop, so that a test means the same everywhere."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHARGE_SHOP_")}
    return inherited | {"CHARGE_SHOP_ADMIN_PASSWORD": ADMIN_PASSWORD} | dict(extra or {})


async def charge_shop(*arguments: str, stdin: str = "", extra: Mapping[str, str] | None = None) -> Finished:
    """Runs a command to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(extra),
    )
    out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


@dataclass
class Asking:
    """A command that asks on a terminal."""

    process: asyncio.subprocess.Process
    terminal: int

    async def until_it_asks(self, text: str) -> None:
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_TIMEOUT_S):
            await self.process.stdout.readuntil(text.encode())
            # Not between its question and its waiting for the answer, where a signal is noticed with the next key only.
            while not is_asleep(self.process.pid):
                await asyncio.sleep(0.01)

    def type(self, text: bytes) -> None:
        os.write(self.terminal, text)

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    async def answered(self, typed: bytes | None) -> tuple[int, str]:
        """Types the answer to what it asks, or Ctrl-C for None, and sees it end."""
        if typed is None:
            self.interrupt()
        else:
            self.type(typed)
        return await self.end()

    async def end(self) -> tuple[int, str]:
        """Its exit status, and what it still said."""
        assert self.process.stdout is not None
        async with asyncio.timeout(READY_TIMEOUT_S):
            said = await self.process.stdout.read()
            return await self.process.wait(), said.decode()


@asynccontextmanager
async def asking(*arguments: str, extra: Mapping[str, str] | None = None) -> AsyncIterator[Asking]:
    # A process in a shell's background ignores it, and so do those that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", *arguments),
        stdin=theirs,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(extra),
        start_new_session=True,
    )
    try:
        yield Asking(process, ours)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(ours)
        os.close(theirs)


@dataclass
class Serving:
    """A `charge-shop serve` that listens on a port of its own."""

    process: asyncio.subprocess.Process
    log: list[str] = field(default_factory=list)
    address: str = ""
    reading: "asyncio.Task[None] | None" = None

    async def until_it_says(self, text: str) -> str:
        """The first line with the text in it."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError(f"ended before it said {text!r}: {''.join(self.log)}")

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """In order; the exit status."""
        self.process.send_signal(number)
        return await self.process.wait()


@asynccontextmanager
async def serving(
    *options: str, extra: Mapping[str, str] | None = None, is_started: bool = True
) -> AsyncIterator[Serving]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "service",
        "serve",
        "--port",
        "0",
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment(extra),
        limit=2**20,
    )
    served = Serving(process)
    try:
        async with asyncio.timeout(READY_TIMEOUT_S):
            line = await served.until_it_says("Charge Shop is serving at ")
        served.address = line.split("serving at ", 1)[1].split()[0]
        served.reading = asyncio.create_task(_swallow(served))
        yield served
    finally:
        if process.returncode is None:
            await served.end()
        if served.reading is not None:
            await served.reading


async def _swallow(served: Serving) -> None:
    """A pipe that nobody reads would stop the service."""
    assert served.process.stdout is not None
    while line := await served.process.stdout.readline():
        served.log.append(line.decode())


class Client:
    """Speaks to one address. Statuses are for the test to look at."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str | None = None) -> None:
        self.session = session
        self.address = address
        self.token = token

    async def ask(
        self, method: str, path: str, body: object = None, key: str | None = None
    ) -> tuple[int, Any, Mapping[str, str], bytes]:
        headers = {}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        async with self.session.request(method, self.address + path, json=body, headers=headers) as answer:
            content = await answer.read()
            return answer.status, await answer.json(content_type=None), answer.headers, content

    async def signed_in(self, username: str, password: str) -> "Client":
        status, body, _, _ = await self.ask("POST", "/v1/auth/token", {"username": username, "password": password})
        assert status == 200, body
        return Client(self.session, self.address, body["token"])

    def at(self, address: str) -> "Client":
        """The same credential at another instance."""
        return Client(self.session, address, self.token)

    async def charge(self, amount: str = "1.00", key: str | None = None) -> tuple[int, Any, Mapping[str, str], bytes]:
        return await self.ask("POST", "/v1/charges", {"phone_number": "+15550100001", "amount": amount}, key)


async def until_ready(client: Client) -> None:
    async with asyncio.timeout(READY_TIMEOUT_S):
        while (await client.ask("GET", "/readyz"))[0] != 200:
            await asyncio.sleep(0.01)


async def new_seller(admin: Client, credit: str, username: str = "kiosk") -> tuple[str, Client]:
    status, seller, _, _ = await admin.ask(
        "POST", "/v1/sellers", {"username": username, "password": PASSWORD, "name": "Kiosk"}
    )
    assert status == 201, seller
    status, body, _, _ = await admin.ask(
        "POST",
        f"/v1/sellers/{seller['id']}/adjustments",
        {"amount": credit, "direction": "credit", "reason": "opening credit"},
    )
    assert status == 201, body
    return seller["id"], await admin.signed_in(username, PASSWORD)


def data_dir(tmp_path: Path) -> str:
    return str(tmp_path / "data")


def is_asleep(pid: int) -> bool:
    """Whether the main thread of the process waits for something (proc(5): the third field of its stat)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"
