"""What open streams of events cost charging: `python -m tests.service.streams_cost`; needs wrk.

Charges are sold through wrk in short rounds, in turn with and without the streams open, so that whatever else the
machine does meets both alike. Only a pair of rounds says something: by the ratio of its throughputs, and by what the
streams took of the service's process, which is the limit, and which a busy machine changes less. The streams are read
by this process, on the same processors.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from msgspec import Struct

from tests.console.service_process import ADMIN_PASSWORD, Api, ServiceProcess

PASSWORD: Final = "a long password"
CREDIT: Final = "1000000.00"
WRK: Final = ("wrk", "-t1", "-c64")
SIGNING_IN_AT_ONCE: Final = 4
OPEN_TIMEOUT_S: Final = 60
BAR: Final = 0.9
"""Of its throughput, charging keeps at least this with a thousand streams open."""

SCRIPT: Final = """
local tokens, run, count = {}, "", 0
local headers = { ["Content-Type"] = "application/json" }
function init(arguments)
  for line in io.lines(arguments[1]) do tokens[#tokens + 1] = "Bearer " .. line end
  run = arguments[2]
end
function request()
  count = count + 1
  headers["Authorization"] = tokens[count % #tokens + 1]
  headers["Idempotency-Key"] = run .. "-" .. count
  return wrk.format("POST", "/v1/charges", headers, '{"phone_number":"+15550100001","amount":"0.01"}')
end
function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format('{"answers":%d,"duration_us":%d,"failed":%d}\\n', summary.requests, summary.duration, failed))
end
"""


class Round(Struct, frozen=True):
    charges_per_s: float
    service_us: float
    """Of a processor, for each charge, in the service's process."""


class Stream(asyncio.Protocol):
    """A client that takes everything at once and looks at nothing but how much there is."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._transport: asyncio.Transport | None = None
        self.is_open = asyncio.get_running_loop().create_future()
        self.entries = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            f"GET /v1/events HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        if not self.is_open.done():
            assert data.startswith(b"HTTP/1.1 200 "), data[:200]
            self.is_open.set_result(None)
        self.entries += data.count(b"\ndata: ")

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


async def measure(options: argparse.Namespace, folder: Path) -> list[tuple[Round, Round]]:
    """Pairs of rounds: without the streams, and with them."""
    (folder / "charges.lua").write_text(SCRIPT)
    async with ServiceProcess(folder) as service, aiohttp.ClientSession() as client:
        nobody = Api(client, service.url)
        admin, *tokens = await _tokens(nobody, options.sellers)
        (folder / "tokens").write_text("\n".join(tokens))
        told = [tokens[number % len(tokens)] for number in range(options.streams - options.admin_streams)]
        told += [admin] * options.admin_streams
        await _charge(service, folder, "warm", options.round_s)
        pairs = []
        for number in range(options.rounds):
            rounds = {}
            # Whatever drifts, and the journal that grows, must not favour one of the two.
            for is_watched in (False, True) if number % 2 else (True, False):
                async with AsyncExitStack() as stack:
                    streams = [await _open(service.url, token, stack) for token in (told if is_watched else ())]
                    rounds[is_watched] = await _charge(service, folder, f"{number}-{is_watched}", options.round_s)
                    told_per_s = sum(stream.entries for stream in streams) / options.round_s
                _show(len(streams), rounds[is_watched], told_per_s)
            pairs.append((rounds[False], rounds[True]))
        return pairs


async def _tokens(nobody: Api, sellers: int) -> list[str]:
    """The admin's, then each new seller's."""
    admin_token = await _token(nobody, "admin", ADMIN_PASSWORD)
    admin = await nobody.signed_in("admin", ADMIN_PASSWORD)
    turns = asyncio.Semaphore(SIGNING_IN_AT_ONCE)

    async def one(number: int) -> str:
        async with turns:
            body = {"username": f"seller-{number}", "password": PASSWORD, "name": f"Seller {number}"}
            seller = await admin.post("/v1/sellers", body)
            credit = {"amount": CREDIT, "direction": "credit", "reason": "start"}
            await admin.post(f"/v1/sellers/{seller['id']}/adjustments", credit)
            return await _token(nobody, body["username"], PASSWORD)

    return [admin_token, *await asyncio.gather(*(one(number) for number in range(sellers)))]


async def _token(nobody: Api, username: str, password: str) -> str:
    token: str = (await nobody.post("/v1/auth/token", {"username": username, "password": password}))["token"]
    return token


async def _open(url: str, token: str, stack: AsyncExitStack) -> Stream:
    host, port = urlsplit(url).netloc.split(":")
    _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(token), host, int(port))
    stack.callback(stream.close)
    async with asyncio.timeout(OPEN_TIMEOUT_S):
        await stream.is_open
    return stream


async def _charge(service: ServiceProcess, folder: Path, run: str, duration_s: int) -> Round:
    """Every charge must have been sold."""
    script, tokens = str(folder / "charges.lua"), str(folder / "tokens")
    arguments = (*WRK, f"-d{duration_s}", "-s", script, service.url, "--", tokens, run)
    before_s = _processor_s(service.pid)
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    spent_s = _processor_s(service.pid) - before_s
    summary = json.loads(output.splitlines()[-1])
    assert summary["failed"] == 0, summary
    return Round(summary["answers"] / summary["duration_us"] * 1e6, spent_s / summary["answers"] * 1e6)


def _processor_s(pid: int) -> float:
    """What a process has used of the processors, in user and system mode (proc(5): fields 14 and 15 of its stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _show(streams: int, shown: Round, told_per_s: float) -> None:
    told = f", {told_per_s:,.0f} entries told/s" if streams else ""
    print(
        f"{streams:5} streams: {shown.charges_per_s:7,.0f} charges/s, {shown.service_us:.0f} us each{told}", flush=True
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.service.streams_cost", description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--admin-streams", type=int, default=0, help="how many of them are told about every seller")
    parser.add_argument("--sellers", type=int, default=200, help="who sell, and share the streams among them")
    parser.add_argument("--rounds", type=int, default=10, help="pairs of rounds")
    parser.add_argument("--round-s", type=int, default=8)
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("no wrk here (on Debian: apt-get install wrk)")
    with tempfile.TemporaryDirectory(prefix="charge-shop-streams-") as folder:
        pairs = asyncio.run(measure(options, Path(folder)))
    throughput = statistics.median(watched.charges_per_s / alone.charges_per_s for alone, watched in pairs)
    share = statistics.median(
        (watched.service_us - alone.service_us) * watched.charges_per_s for alone, watched in pairs
    )
    print(f"with {options.streams:,} streams, medians of {len(pairs)} pairs: {throughput:.2f} of the throughput;")
    print(f"the streams took {share / 1e6:.1%} of a processor in the service's process")
    return 0 if throughput >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
