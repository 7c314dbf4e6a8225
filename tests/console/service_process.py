"""The service as a process of its own, on a data directory of its own, that can be killed and started again."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

ADMIN_PASSWORD = "the admin's password"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
REPOSITORY = Path(__file__).parents[2]


class ServiceProcess:
    """`async with ServiceProcess(folder) as service:` serves at `service.url`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self._port = _free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    async def __aenter__(self) -> "ServiceProcess":
        self._folder.mkdir(parents=True, exist_ok=True)
        await self.start()
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns once it is ready."""
        arguments = ["serve", "--port", str(self._port), "--data-dir", str(self._folder / "data")]
        environment = {**os.environ, "CHARGE_SHOP_ADMIN_PASSWORD": ADMIN_PASSWORD, "PYTHONPATH": str(REPOSITORY)}
        with (self._folder / "service.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "service", *arguments, env=environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(START_TIMEOUT_S), aiohttp.ClientSession() as client:
            while not await _is_ready(client, f"{self.url}/readyz"):
                assert self._process.returncode is None, (self._folder / "service.log").read_text()[-2000:]
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """As a power cut would: nothing is drained, nobody is told."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


class Api:
    """A program that uses the API beside the browser: what is not the page's to do is done here."""

    def __init__(self, client: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        self._client = client
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    async def signed_in(self, username: str, password: str) -> "Api":
        answer = await self.post("/v1/auth/token", {"username": username, "password": password})
        return Api(self._client, self._url, answer["token"])

    async def post(self, path: str, body: Any = None) -> Any:
        return await self._ask("POST", path, body)

    async def patch(self, path: str, body: Any) -> Any:
        return await self._ask("PATCH", path, body)

    async def get(self, path: str) -> Any:
        return await self._ask("GET", path, None)

    async def end(self, token: str) -> None:
        """Signs out whoever has the token."""
        headers = {"Authorization": f"Bearer {token}"}
        async with self._client.delete(f"{self._url}/v1/auth/token", headers=headers) as response:
            assert response.status == 204

    async def _ask(self, method: str, path: str, body: Any) -> Any:
        request = self._client.request(method, self._url + path, json=body, headers=self._headers)
        async with request as response:
            answer = await response.json(content_type=None)
            assert response.ok or response.status == 402, answer
            return answer


async def _is_ready(client: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with client.get(url) as response:
            return response.status == 200
    except aiohttp.ClientError:
        return False


def _free_port() -> int:
    """Fixed for the life of the shop, since a page in the browser comes back to the same address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
