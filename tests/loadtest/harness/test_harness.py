"""The harness against the real service, in processes of their own."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from aiohttp import web

from loadtest.service_process import ServiceProcess
from tests.loadtest.meddler import meddling

PASSWORD = "a password for the admin"
SMALL = ("--sellers", "3", "--rate", "100", "--duration", "3", "--skew", "1", "--timeout", "20")
SECTIONS = (
    "Throughput",
    "Latency over time",
    "Latency by percentile",
    "Outcomes",
    "By operation",
    "What was not done",
    "The client",
    "What was checked",
    "Parameters",
)


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest", *arguments),
        env=os.environ | {"CHARGE_SHOP_ADMIN_PASSWORD": PASSWORD, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


async def played(*arguments: str) -> tuple[int, str]:
    """Exit status and output of `python -m loadtest`."""
    process = await started(*arguments)
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


async def test_a_load_of_everything_on_its_own_service_passes_and_is_reported(tmp_path):
    report = tmp_path / "report.html"
    mix = "charge=20,hold=10,capture=8,void=4,refund=4,read=10,list=10,batch=5,repeat=10,credit=5"
    status, output = await played(*SMALL, "--mix", mix, "--keys", "0.8", "--credit", "300.00", "--report", str(report))
    assert status == 0, output
    assert "no violation" in output
    page = report.read_text()
    for section in SECTIONS:
        assert f"<h2>{section}</h2>" in page
    for operation in (*re.findall(r"[a-z]+", mix), "approve", "all"):
        assert f"<td>{operation}</td>" in page
    assert "402 insufficient_credit" in page
    assert "No violation" in page
    # One file, from disk: nothing in it is fetched.
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert page.count("<img ") == page.count("data:image/svg+xml") == 4


async def test_one_forged_answer_is_a_violation(service, tmp_path):
    """On a service that runs already, and that others use; its own sellers are suspended in the end."""
    async with aiohttp.ClientSession() as session:
        admin = await _token(session, service)
        body = {"username": "somebody", "password": "somebody's password", "name": "Somebody else"}
        async with session.post(f"{service.url}/v1/sellers", json=body, headers=admin) as answer:
            assert answer.status == 201
    forged: list[str] = []

    def forge_one(request: web.Request, status: int, body: bytes) -> bytes:
        if request.path == "/v1/charges" and status == 201 and not forged:
            forged.append(request.path)
            return msgspec.json.encode(msgspec.json.decode(body) | {"amount": "12345.67"})
        return body

    async with meddling(service.url, forge_one) as url:
        status, output = await played(*SMALL, "--url", url, "--suspend", "--report", str(tmp_path / "report.html"))
    assert status == 1, output
    assert forged
    assert "field differs: amount is '12345.67'" in output
    assert "12345.67" in (tmp_path / "report.html").read_text()
    async with aiohttp.ClientSession() as session:
        admin = await _token(session, service)
        async with session.get(f"{service.url}/v1/sellers", headers=admin) as answer:
            sellers = (await answer.json())["data"]
    states = {seller["username"]: seller["status"] for seller in sellers}
    assert states.pop("somebody") == "active"
    assert len(states) == 3
    assert set(states.values()) == {"suspended"}


async def test_ctrl_c_checks_and_reports_what_was_seen(service, tmp_path):
    report = tmp_path / "report.html"
    arguments = ("--sellers", "2", "--rate", "50", "--duration", "600", "--report", str(report))
    charged = asyncio.Event()

    def see(request: web.Request, status: int, body: bytes) -> bytes:
        if request.path == "/v1/charges" and status == 201:
            charged.set()
        return body

    async with meddling(service.url, see) as url:
        process = await started("--url", url, *arguments)
        await charged.wait()
        process.send_signal(signal.SIGINT)
        output, _ = await process.communicate()
    assert process.returncode == 130, output.decode()
    assert "no violation" in output.decode()
    assert "Interrupted before its time" in report.read_text()


async def test_a_service_that_refuses_the_password_cannot_be_played(service, tmp_path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest", "--url", service.url, "--report", str(tmp_path / "report.html")),
        env=os.environ | {"CHARGE_SHOP_ADMIN_PASSWORD": "not the password"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 2, output
    assert b"Traceback" not in output
    assert not Path(tmp_path / "report.html").exists()


async def _token(session: aiohttp.ClientSession, service: ServiceProcess) -> dict[str, str]:
    body = {"username": "admin", "password": PASSWORD}
    async with session.post(f"{service.url}/v1/auth/token", json=body) as answer:
        return {"Authorization": f"Bearer {(await answer.json())['token']}"}
