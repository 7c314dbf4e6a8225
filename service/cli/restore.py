"""`charge-shop restore`, and what belongs to a journal that was restored: `confirm-restore` and `mark-restored`.

A backup comes back into an empty data directory only after every entry has been verified, against the heads that were
exported when it was made. It comes back frozen (see `journal.restores`): what was acknowledged after the backup is
not in it, and who sells on must know.
"""

import argparse
import asyncio
import os
import pwd
import sys

from actors.verification import Progress, verify_journal
from journal.embedded import restored
from journal.migrate import check_version
from journal.restores import Restore, confirm_restores, record_restore, restores
from service.cli import heads as head_lines
from service.cli.backup import SERVED
from service.cli.backup_folder import BackupFolder, NotABackup
from service.cli.commands import CannotDo, as_line, as_text
from service.cli.progress_line import ProgressLine
from service.database import DatabaseHome, bring_up_to_date, home_for_command
from service.settings import Settings


class _Bad(Exception):
    """The journal in the backup is not what it should be."""


async def restore(chosen: Settings, options: argparse.Namespace) -> int:
    """1 when the journal is not what it should be; the data directory is then as empty as it was."""
    if chosen.database_url is not None:
        raise CannotDo(SERVED)
    folder = BackupFolder(options.folder)
    try:
        manifest = await asyncio.to_thread(folder.read_manifest)
        heads = await asyncio.to_thread(head_lines.read, folder.heads)
    except (NotABackup, head_lines.HeadsUnreadable) as fault:
        raise CannotDo(str(fault)) from None
    progress = ProgressLine("copied")
    try:
        async with restored(chosen.data_dir, folder.cluster, folder.pgpass, on_progress=progress, say=_tell) as server:
            progress.end()
            await bring_up_to_date(DatabaseHome(server.app_url, server.owner_url, is_ours_alone=True, server=server))
            result = await verify_journal(server.app_url, heads=heads, on_progress=_show_progress)
            as_text(result, True)
            if result.first_bad is not None:
                raise _Bad
            made = await record_restore(server.owner_url, by=_operator(), backup_made_at=manifest.made_at)
    except _Bad:
        print(f"nothing was restored into {chosen.data_dir}")
        return 1
    print(as_line(made))
    print("`charge-shop serve` answers reads now; what was acknowledged after the backup is not there.")
    return 0


def ask_to_confirm(chosen: Settings, _: argparse.Namespace) -> None:
    """On a terminal only, and before the event loop that confirms (see `commands.ask_password`). The restores to ask
    about are looked up in a loop of their own, which has ended when the question is put: nothing is held open
    meanwhile."""
    if sys.stdin is None or not sys.stdin.isatty():
        return
    about = "\n".join(map(as_line, asyncio.run(_look_up(chosen))))
    try:
        said = input(f"{about}\nTake changes from here on? [y/N] ")
    except (EOFError, UnicodeError):
        said = ""
    if said.strip().lower() not in ("y", "yes"):
        raise CannotDo("nothing was confirmed")


async def _look_up(chosen: Settings) -> list[Restore]:
    async with home_for_command(chosen.data_dir, chosen.database_url, chosen.migration_url) as home:
        return await _waiting(home)


async def confirm_restore(chosen: Settings, _: argparse.Namespace) -> int:
    async with home_for_command(chosen.data_dir, chosen.database_url, chosen.migration_url) as home:
        await _waiting(home)
        for each in await confirm_restores(home.owner_url, by=_operator()):
            print(as_line(each))
    return 0


async def _waiting(home: DatabaseHome) -> list[Restore]:
    await check_version(home.app_url)
    waiting = [each for each in await restores(home.app_url) if each.confirmed_at is None]
    if not waiting:
        raise CannotDo("no restore waits for a confirmation")
    return waiting


async def mark_restored(chosen: Settings, _: argparse.Namespace) -> int:
    """For databases that came back by other tools."""
    async with home_for_command(chosen.data_dir, chosen.database_url, chosen.migration_url) as home:
        await check_version(home.app_url)
        print(as_line(await record_restore(home.owner_url, by=_operator())))
    return 0


def _show_progress(progress: Progress) -> None:
    as_text(progress, False)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _operator() -> str:
    """The user of the operating system, whatever the environment says."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
