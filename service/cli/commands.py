"""The commands beside `serve`. Each opens the database as it needs it, does one thing, and closes it.

They may run while the service does: what they change of users takes effect there at once, by notification.
"""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from actors.directory import wall_clock_us
from actors.verification import Progress, in_one_line, verify_journal
from journal.ids import is_id
from journal.migrate import check_version
from journal.reader import Reader
from journal.restores import Restore, restores
from journal.schema_faults import SchemaFault
from journal.store import JournalFault
from service.cli import heads as head_lines
from service.database import bring_up_to_date, home_for_command, pool_of
from service.identity.database import Database
from service.identity.passwords import Passwords, password_fault
from service.identity.refusals import IdentityRefusal
from service.identity.sources import Sources
from service.identity.users import Users, is_username
from service.settings import Settings

POOL_MAX = 2


class CannotDo(Exception):
    """What was asked cannot be done; the text says why."""


async def migrate(chosen: Settings, _: argparse.Namespace) -> int:
    async with home_for_command(chosen.data_dir, chosen.database_url, chosen.migration_url, create=True) as home:
        applied = await bring_up_to_date(home)
    print(f"applied {applied} migrations" if applied else "the database is up to date")
    return 0


async def create_admin(chosen: Settings, options: argparse.Namespace) -> int:
    async with _users(chosen) as users:
        made = await users.create_admin(options.name, options.password)
        if isinstance(made, IdentityRefusal):
            raise CannotDo(made.detail)
    print(f"created the admin {made.username} ({made.id})")
    return 0


async def reset_password(chosen: Settings, options: argparse.Namespace) -> int:
    async with _users(chosen) as users:
        user = await users.find_by_name(options.name)
        if user is None:
            raise CannotDo(f"there is no user {options.name}")
        refusal = await users.reset_password(user.id, options.password)
        if refusal is not None:
            raise CannotDo(refusal.detail)
    print(f"set the password of {user.username}; its tokens have ended")
    return 0


async def verify(chosen: Settings, options: argparse.Namespace) -> int:
    """1 when the journal is not what it should be."""
    seller_id = None if options.seller is None else options.seller.lower()
    if seller_id is not None and not is_id(seller_id):
        raise CannotDo(f"--seller: expected a seller's id, got {options.seller[:80]!r}")
    expected = None
    if options.heads is not None:
        try:
            expected = await asyncio.to_thread(head_lines.read, Path(options.heads))
        except head_lines.HeadsUnreadable as fault:
            raise CannotDo(f"--heads: {fault}") from None
    report = _as_json if options.json_progress else as_text
    async with home_for_command(chosen.data_dir, chosen.database_url) as home:
        await check_version(home.app_url)
        result = await verify_journal(
            home.app_url,
            seller_id=seller_id,
            heads=expected,
            # For the service's own runs: the other processors are the service's.
            workers=1 if options.json_progress else None,
            on_progress=lambda progress: report(progress, False),
        )
        past = [] if options.json_progress else await _restores_beside(result, home.app_url)
    if seller_id is not None and result.sellers_total == 0 and result.first_bad is None:
        raise CannotDo(f"--seller: the journal has no seller {seller_id}")
    compared = [head for head in expected or () if seller_id in (None, head.seller_id)]
    is_whole = result.first_bad is None
    if is_whole and expected is not None and not compared and result.sellers_total > 0:
        # An export that failed leaves an empty file, and what was not compared was not found again.
        raise CannotDo(f"--heads: {options.heads} names no seller" + (f" {seller_id}" if seller_id else ""))
    with _output():
        report(result, True)
        if is_whole and compared and not options.json_progress:
            print(f"exported heads found again: {len(compared):,}")
        for restore in past:
            print(as_line(restore))
    return 0 if result.first_bad is None else 1


async def _restores_beside(result: Progress, app_url: str) -> list[Restore]:
    """What was found is told even where the record of restores cannot be."""
    try:
        return await restores(app_url)
    except (JournalFault, SchemaFault):
        if result.first_bad is None:
            raise
        return []


def _as_json(progress: Progress, _is_end: bool) -> None:
    """A line for programs (`service.verification_runs`)."""
    print(msgspec.json.encode(progress).decode(), flush=True)


def as_text(progress: Progress, is_end: bool) -> None:
    """For people: progress on a terminal, the result on standard output."""
    checked = f"{progress.sellers_done:,} of {progress.sellers_total:,} sellers, {progress.entries_checked:,} entries"
    if sys.stderr.isatty():
        print(f"\r{checked}", end="\n" if is_end else "", file=sys.stderr, flush=True)
    if not is_end:
        return
    bad = progress.first_bad
    if bad is None:
        print(f"verified {checked}: the journal is what it should be")
    else:
        print(f"first bad entry: seller={bad.seller_id} seq={bad.seq} {bad.reason}")


def as_line(restore: Restore) -> str:
    """For people."""
    made_at = restore.backup_made_at
    of = "" if made_at is None else f" from a backup of {made_at:%Y-%m-%d %H:%M:%S} UTC"
    end = "waits for `charge-shop confirm-restore`"
    if restore.confirmed_at is not None:
        end = f"confirmed at {restore.confirmed_at:%Y-%m-%d %H:%M:%S} UTC by {in_one_line(restore.confirmed_by or '')}"
    return (
        f"restored at {restore.restored_at:%Y-%m-%d %H:%M:%S} UTC by {in_one_line(restore.restored_by)}{of}, "
        f"up to position {restore.last_position:,}: {end}"
    )


async def heads(chosen: Settings, _: argparse.Namespace) -> int:
    async with _pool(chosen) as pool:
        with _output():
            async for head in Reader(pool).heads():
                print(head_lines.line_of(head).decode())
    return 0


@contextmanager
def _output() -> Iterator[None]:
    """Output that cannot be written must not end in exit status 0, nor in the 1 that means a bad journal."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as fault:
        # What is still in the buffer would fail once more at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise CannotDo(f"cannot write to standard output: {fault.strerror}") from None


def ask_password(_: Settings, options: argparse.Namespace) -> None:
    """For a new password, before the event loop runs: Ctrl-C does not end a thread that waits for a terminal."""
    name = options.name
    if not is_username(name):
        raise CannotDo(f"expected a username, 1 to 100 of ASCII letters, digits and @ . + - _, got {name[:80]!r}")
    try:
        password = _new_password(f"new password for {name}: ")
        fault = password_fault(password)
        password.encode()
    except EOFError:
        fault = "no password was given"
    except UnicodeError:
        fault = "the password is not text in the encoding of this terminal"
    if fault is not None:
        raise CannotDo(fault)
    options.password = password


def _new_password(prompt: str) -> str:
    """Asked for on a terminal, twice; else the first line of standard input."""
    if sys.stdin is None:
        raise EOFError
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(prompt)
    if getpass.getpass("again: ") != password:
        raise CannotDo("the two passwords differ")
    return password


@asynccontextmanager
async def _pool(chosen: Settings) -> AsyncIterator[Any]:
    async with home_for_command(chosen.data_dir, chosen.database_url) as home:
        await check_version(home.app_url)
        async with pool_of(home.app_url, POOL_MAX) as pool:
            yield pool


@asynccontextmanager
async def _users(chosen: Settings) -> AsyncIterator[Users]:
    async with _pool(chosen) as pool:
        passwords = Passwords()
        try:
            yield Users(
                Database(pool),
                passwords,
                Sources(wall_clock_us, os.urandom),
                forget=lambda user_id: None,  # The service hears of it from the database.
            )
        finally:
            passwords.close()
