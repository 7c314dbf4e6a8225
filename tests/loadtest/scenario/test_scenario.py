"""The play against the real service, in processes of their own: small, but with all its parts."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from random import Random

import msgspec
import pytest
from aiohttp import web

from loadtest.service_process import ServiceProcess
from tests.loadtest.meddler import Meddle, meddling

PASSWORD = "a password for the admin"
SMALL = ("--sellers", "5", "--charges", "500", "--sales-at-once", "60", "--concurrency", "40")


async def played(*arguments: str) -> tuple[int, str]:
    """Exit status and output of `python -m loadtest.scenario`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.scenario", *SMALL, *arguments),
        env=os.environ | {"CHARGE_SHOP_ADMIN_PASSWORD": PASSWORD},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


@pytest.fixture
async def service(tmp_path) -> AsyncIterator[ServiceProcess]:
    made = ServiceProcess(tmp_path, PASSWORD)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def test_the_service_keeps_its_word_though_it_is_killed_on_the_way():
    status, output = await played("--kill", "2", "--seed", "7")
    assert status == 0, output
    assert "killed 2 times" in output
    assert "no violation" in output


async def test_answers_that_are_lost_on_the_way_change_nothing(service):
    """Every twentieth answer breaks the connection: what has a key is asked again, and happens once."""
    chance = Random(1)

    def lose_some(request: web.Request, _: int, body: bytes) -> bytes | None:
        is_play = "Idempotency-Key" in request.headers or request.path == "/v1/charges"
        return None if is_play and chance.random() < 0.05 else body

    status, output = await _played_through(service, lose_some)
    assert status == 0, output


async def test_one_changed_answer_among_all_is_found(service):
    """The exit status is 1, and the answer is shown."""
    changed: list[str | None] = []

    def change_one(request: web.Request, status: int, body: bytes) -> bytes:
        if request.path == "/v1/charges" and status == 201 and not changed:
            changed.append(request.headers.get("Idempotency-Key"))
            return msgspec.json.encode(msgspec.json.decode(body) | {"amount": "12345.67"})
        return body

    status, output = await _played_through(service, change_one)
    assert status == 1, output
    assert changed
    assert "field differs: amount is '12345.67'" in output


async def test_one_charge_that_the_shop_never_saw_is_found(service):
    """Acknowledged by somebody in between, though it never happened."""
    forged: list[bytes] = []

    def forge_one(request: web.Request, status: int, body: bytes) -> bytes:
        if request.path == "/v1/charges" and status == 201:
            if not forged:
                forged.append(body)
            elif len(forged) == 1 and request.headers.get("Idempotency-Key") is None:
                forged.append(body)
                return forged[0]
        return body

    status, output = await _played_through(service, forge_one)
    assert status == 1, output
    assert len(forged) == 2
    assert "rule 2" in output


async def _played_through(service: ServiceProcess, meddle: Meddle) -> tuple[int, str]:
    async with meddling(service.url, meddle) as url:
        return await played("--url", url, "--seed", "3")
