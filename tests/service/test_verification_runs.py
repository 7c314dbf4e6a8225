"""Verifications in a process of their own: one at a time, each ends, whatever becomes of its process."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from actors.directory import wall_clock_us
from actors.verification import Finding
from service.identity.database import Database as Shop
from service.identity.sources import Sources
from service.verification_runs import VerificationRun, VerificationRuns
from tests.conftest import Database

SELLER = "0195f3a2-c4b0-7000-8000-002a5d3e9c41"
# What a test lets the process do: say lines and end, or say one and never end.
SAY = "import sys\nfor line in sys.argv[2:]: print(line, flush=True)\nsys.exit(int(sys.argv[1]))"
HANG = "import sys, time\nprint(sys.argv[1], flush=True)\ntime.sleep(600)"


def line(done: int, bad: Finding | None = None) -> str:
    first_bad = None if bad is None else {"seller_id": bad.seller_id, "seq": bad.seq, "reason": bad.reason}
    return json.dumps({"sellers_done": done, "sellers_total": 9, "entries_checked": done * 10, "first_bad": first_bad})


class Ends:
    """The runs that have ended, to be waited for."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[VerificationRun] = asyncio.Queue()

    async def next(self) -> VerificationRun:
        async with asyncio.timeout(20):
            return await self.queue.get()


@asynccontextmanager
async def runs_of(database: Database, ends: Ends, *command: str) -> AsyncIterator[VerificationRuns]:
    async with asyncpg.create_pool(database.app_url, min_size=1, max_size=2) as pool:
        runs = VerificationRuns(
            Shop(pool),
            database.app_url,
            Sources(wall_clock_us, os.urandom),
            on_end=ends.queue.put_nowait,
            command=(sys.executable, "-c", *command),
        )
        try:
            yield runs
        finally:
            await runs.close()


async def settled(runs: VerificationRuns, run_id: str) -> VerificationRun:
    """As the table has it, once the process's own memory of it is gone."""
    async with asyncio.timeout(20):
        while runs.is_running:
            await asyncio.sleep(0)
    found = await runs.find(run_id)
    assert found is not None
    return found


async def test_a_sound_journal_passes(database: Database) -> None:
    ends = Ends()
    async with runs_of(database, ends, SAY, "0", line(3), "noise that is no progress", line(9)) as runs:
        started = await runs.start()
        assert (started.status, started.finished_at_us) == ("running", None)
        ended = await ends.next()
        found = await settled(runs, started.id)
    assert found == ended
    assert (found.status, found.progress.sellers_done, found.progress.entries_checked) == ("passed", 9, 90)
    assert found.finished_at_us is not None
    assert found.finished_at_us >= found.started_at_us == started.started_at_us


async def test_the_first_bad_entry_is_kept(database: Database) -> None:
    bad = Finding(SELLER, 7, "the hash is not that of its content")
    ends = Ends()
    async with runs_of(database, ends, SAY, "1", line(2, bad)) as runs:
        started = await runs.start()
        await ends.next()
        found = await settled(runs, started.id)
    assert (found.status, found.progress.first_bad) == ("failed", bad)


@pytest.mark.parametrize("command", [(SAY, "2", line(1)), ("no python at all",)])
async def test_a_run_that_cannot_finish_fails_without_a_bad_entry(database: Database, command: tuple[str, ...]) -> None:
    ends = Ends()
    async with runs_of(database, ends, *command) as runs:
        started = await runs.start()
        await ends.next()
        found = await settled(runs, started.id)
    assert (found.status, found.progress.first_bad) == ("failed", None)


async def test_a_run_whose_end_cannot_be_written_makes_room_for_another(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    ends = Ends()
    async with runs_of(database, ends, SAY, "1", line(2, Finding("what no column of ids takes", 7, "why"))) as runs:
        first = await runs.start()
        await ends.next()
        found = await settled(runs, first.id)
        assert (found.status, found.progress.first_bad) == ("failed", None)
        assert (await runs.start()).id != first.id
        await ends.next()
    assert "verification_interrupted" in [record.message for record in caplog.records]


async def test_while_one_runs_no_other_does(database: Database) -> None:
    ends = Ends()
    async with runs_of(database, ends, HANG, line(4)) as runs:
        first, second = await asyncio.gather(runs.start(), runs.start())
        assert first.id == second.id
        async with asyncio.timeout(20):
            while (found := await runs.find(first.id)) is None or found.progress.sellers_done != 4:
                await asyncio.sleep(0)
        assert found.status == "running"
    # Closing has ended the process, and the run says so.
    ended = await ends.next()
    assert (ended.id, ended.status) == (first.id, "failed")
    assert ends.queue.empty()


async def test_a_run_of_a_process_that_is_gone_was_interrupted(database: Database) -> None:
    lost = "0195f3a2-c4b0-7000-8000-00000000000a"
    ends = Ends()
    async with runs_of(database, ends, SAY, "0", line(9)) as runs:
        connection = await asyncpg.connect(database.owner_url)
        insert = "INSERT INTO shop.verifications (id, status, started_at) VALUES ($1, 'running', now())"
        await connection.execute(insert, lost)
        await connection.close()
        found = await runs.find(lost)
        assert found is not None
        assert (found.status, found.progress.first_bad) == ("failed", None)
        again = await runs.find(lost)
        assert again == found
        assert await runs.find(SELLER) is None


async def test_the_command_gets_the_database_by_its_environment_alone(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = "import os, sys, json; print(json.dumps([sys.argv, dict(os.environ)]), file=open(sys.argv[1], 'w'))"
    shown = tmp_path / "shown"
    monkeypatch.setenv("CHARGE_SHOP_ADMIN_PASSWORD", "a secret of the service")
    ends = Ends()
    async with runs_of(database, ends, show, str(shown)) as runs:
        await runs.start()
        await ends.next()
    arguments, environment = json.loads(shown.read_text())
    assert environment["CHARGE_SHOP_DATABASE_URL"] == database.app_url
    assert database.app_url not in str(arguments)
    assert [name for name in environment if name.startswith("CHARGE_SHOP_")] == ["CHARGE_SHOP_DATABASE_URL"]
