"""Verifications that were asked for over HTTP: one at a time, in a process of their own, at low priority.

A verification reads the whole journal and hashes every entry: that is no work for the event loop, nor for its
process. So the service starts its own command line, `charge-shop verify`, tells it where the database is by its
environment (arguments can be read by everybody on the machine), and reads its progress line by line.

A run belongs to the process that started it. One that is found `running` in the table and is not this process's
own was interrupted: it is ended as `failed` without a first bad entry, which says nothing about the journal.
"""

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

import asyncpg
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from actors.verification import Finding, Progress
from journal.ids import new_id
from journal.store import JournalFault
from service.identity.database import Database
from service.identity.instants import of_column, to_column
from service.identity.sources import Sources

log = logging.getLogger(__name__)

COMMAND: Final = (sys.executable, "-m", "service", "verify", "--json-progress")
NICENESS: Final = 10

_COLUMNS: Final = """id::text, status, sellers_done, sellers_total, entries_checked,
    first_bad_seller_id::text, first_bad_seq, first_bad_reason, started_at, finished_at"""
FIND: Final = f"SELECT {_COLUMNS} FROM shop.verifications WHERE id = $1"
INTERRUPT: Final = "UPDATE shop.verifications SET status = 'failed', finished_at = $1 WHERE status = 'running'"
INSERT: Final = "INSERT INTO shop.verifications (id, status, started_at) VALUES ($1, 'running', $2)"
UPDATE: Final = """
    UPDATE shop.verifications
       SET status = $2, sellers_done = $3, sellers_total = $4, entries_checked = $5,
           first_bad_seller_id = $6, first_bad_seq = $7, first_bad_reason = $8, finished_at = $9
     WHERE id = $1
"""


class VerificationRun(Struct, frozen=True):
    id: str
    started_at_us: int
    status: Literal["running", "passed", "failed"] = "running"
    progress: Progress = Progress(0, 0, 0)
    finished_at_us: int | None = None


class VerificationRuns:
    def __init__(
        self,
        database: Database,
        database_url: str,
        sources: Sources,
        *,
        on_end: Callable[[VerificationRun], None] = lambda run: None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._database = database
        self._database_url = database_url
        self._sources = sources
        self._on_end = on_end
        self._command = command
        self._starting = asyncio.Lock()
        self._current: VerificationRun | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._current is not None

    async def start(self) -> VerificationRun:
        """Starts a run, unless one is under way: then that one is answered."""
        async with self._starting:
            if self._current is not None:
                return self._current
            now_us = self._sources.now_us()
            run = VerificationRun(new_id(now_us, self._sources.random_bytes), now_us)
            async with self._database.writing() as connection:
                await connection.execute(INTERRUPT, to_column(now_us))
                await connection.execute(INSERT, run.id, to_column(now_us))
            self._current = run
            self._task = asyncio.create_task(self._run(run), name="verification")
            self._task.add_done_callback(partial(_ended, run.id))
            return run

    async def find(self, run_id: str) -> VerificationRun | None:
        if self._current is not None and self._current.id == run_id:
            return self._current
        async with self._database.reading() as connection:
            row = await connection.fetchrow(FIND, run_id)
        if row is None:
            return None
        run = _run_of(row)
        if run.status == "running":
            run = replace(run, status="failed", finished_at_us=self._sources.now_us())
            await self._write(run)
        return run

    async def close(self) -> None:
        """Ends the run that is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self, run: VerificationRun) -> None:
        status: Literal["passed", "failed"] = "failed"
        try:
            status = await self._verify(run)
        finally:
            await self._end(status)

    async def _end(self, status: Literal["passed", "failed"]) -> None:
        """Written to the table first, then forgotten: until then `find` answers from memory. Forgotten even if it
        cannot be written, since the next run starts only when there is none."""
        assert self._current is not None
        ended = self._current = replace(self._current, status=status, finished_at_us=self._sources.now_us())
        try:
            self._on_end(ended)
            await self._try_to_write(ended)
        finally:
            self._current = None

    async def _verify(self, run: VerificationRun) -> Literal["passed", "failed"]:
        # Whatever else is set for the service does not concern the command, and may be secret.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("CHARGE_SHOP_")}
        environment["CHARGE_SHOP_DATABASE_URL"] = self._database_url
        process = await asyncio.create_subprocess_exec(
            *self._command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, NICENESS)
            assert process.stdout is not None
            async for line in process.stdout:
                await self._take_progress(line)
            exit_status = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if exit_status not in (0, 1):
            log.error("verification_interrupted", extra={"verification": run.id, "exit_status": exit_status})
        return "passed" if exit_status == 0 else "failed"

    async def _take_progress(self, line: bytes) -> None:
        assert self._current is not None
        try:
            progress = msgspec.json.decode(line, type=Progress)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("verification_said", extra={"line": line.decode("utf-8", "replace").strip()[:500]})
            return
        self._current = replace(self._current, progress=progress)
        await self._try_to_write(self._current)

    async def _try_to_write(self, run: VerificationRun) -> None:
        """A verification goes on whether or not its progress can be written."""
        try:
            await self._write(run)
        except JournalFault as fault:
            log.warning("verification_not_written", extra={"verification": run.id, "reason": str(fault)})

    async def _write(self, run: VerificationRun) -> None:
        progress, bad = run.progress, run.progress.first_bad
        async with self._database.writing() as connection:
            await connection.execute(
                UPDATE,
                run.id,
                run.status,
                progress.sellers_done,
                progress.sellers_total,
                progress.entries_checked,
                bad and bad.seller_id,
                bad and bad.seq,
                bad and bad.reason,
                None if run.finished_at_us is None else to_column(run.finished_at_us),
            )


def _ended(run_id: str, task: "asyncio.Task[None]") -> None:
    """Nothing dies silently, whatever kept a run from its end: a program that does not start, or a bug."""
    if not task.cancelled() and task.exception() is not None:
        log.error("verification_interrupted", exc_info=task.exception(), extra={"verification": run_id})


def _run_of(row: asyncpg.Record) -> VerificationRun:
    bad = None
    if row["first_bad_seller_id"] is not None:
        bad = Finding(row["first_bad_seller_id"], row["first_bad_seq"], row["first_bad_reason"])
    finished_at = row["finished_at"]
    return VerificationRun(
        id=row["id"],
        started_at_us=of_column(row["started_at"]),
        status=row["status"],
        progress=Progress(row["sellers_done"], row["sellers_total"], row["entries_checked"], bad),
        finished_at_us=of_column(finished_at) if finished_at is not None else None,
    )
