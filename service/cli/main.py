"""`charge-shop`: the commands, their options, and how they end.

Exit status 0: done. 1: done, and the answer is no (a journal that is not what it should be). 2: a wrong option, value
or address, or something that is in the way; one line says what. A bug ends with 2 and its traceback: it is no answer.

Adding a command: 1. its function in `service/cli/commands.py` or beside it; 2. its row in `COMMANDS`.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvloop
from msgspec import Struct

from journal.embedded import EmbeddedPostgresError
from journal.schema_faults import SchemaFault
from journal.store import JournalFault
from service import logs, settings
from service.cli import backup, commands, restore
from service.http.server import PortInUse
from service.serve import serve
from service.settings import Settings, WrongSetting

Run = Callable[[Settings, argparse.Namespace], Awaitable[int]]


class Command(Struct, frozen=True):
    run: Run
    help: str
    settings: Sequence[str] | None
    """Names of the settings that it takes; None for all."""
    arguments: Callable[[argparse.ArgumentParser], None] = lambda parser: None
    ask: Callable[[Settings, argparse.Namespace], None] = lambda chosen, options: None
    """For what people have to type, before there is an event loop."""


async def _serve(chosen: Settings, _: argparse.Namespace) -> int:
    return 0 if await serve(chosen, say) else 1


def _admin(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="username of the admin")


def _user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="username of an admin or a seller")


def _folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of the backup")


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seller", metavar="ID", help="only this seller's journal")
    parser.add_argument("--heads", metavar="FILE", help="what `charge-shop heads` wrote: nothing of it may be gone")
    parser.add_argument("--json-progress", action="store_true", help="progress as JSON lines, for programs")


COMMANDS: Final[dict[str, Command]] = {
    "serve": Command(_serve, "migrate, and serve until SIGTERM or Ctrl-C", None),
    "create-admin": Command(
        commands.create_admin, "make another admin", settings.DATABASE, _admin, commands.ask_password
    ),
    "reset-password": Command(
        commands.reset_password,
        "set a user's password; its tokens end",
        settings.DATABASE,
        _user,
        commands.ask_password,
    ),
    "migrate": Command(commands.migrate, "bring the database to this release's schema", settings.MIGRATION),
    "verify": Command(commands.verify, "check every entry of the journal", settings.DATABASE, _verify),
    "backup": Command(backup.backup, "copy the embedded database, while it serves", settings.DATABASE, _folder),
    "restore": Command(
        restore.restore, "put a backup into an empty data directory, and check it", settings.DATABASE, _folder
    ),
    "confirm-restore": Command(
        restore.confirm_restore,
        "let a restored journal take changes again",
        settings.MIGRATION,
        ask=restore.ask_to_confirm,
    ),
    "mark-restored": Command(
        restore.mark_restored, "freeze a served journal that other tools have restored", settings.MIGRATION
    ),
    "heads": Command(commands.heads, "print every seller's last seq and hash, to be kept elsewhere", settings.DATABASE),
}


def say(line: str) -> None:
    """For people; what programs read goes to standard output of the commands that have such output."""
    try:
        print(line, file=sys.stderr if sys.stdout.closed else sys.stdout, flush=True)
    except BrokenPipeError:
        raise
    except OSError:
        # A full disk under its output must not keep the shop closed. What is in the buffer would fail at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _complain(text: str) -> None:
    """What cannot be told is left to the exit status: an exception here would make it 1, that of a bad journal."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _open_closed_streams() -> None:
    """Else the next file or client would be standard input or output: libuv ends a process that closes one of these."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The lowest descriptor that is free, so the one that is missing.
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode))


def main(arguments: Sequence[str] | None = None) -> int:
    _open_closed_streams()
    parser = _parser()
    options = parser.parse_args(arguments)
    command = COMMANDS[options.command]
    if not __debug__:
        # The last look at an entry, before it is written and when it is verified, is an assertion.
        _complain(
            f"charge-shop {options.command}: Python's -O and PYTHONOPTIMIZE take away checks that this relies on: "
            "run it without"
        )
        return 2
    try:
        chosen = settings.read(options, os.environ, command.settings)
        logs.configure(chosen.log_level, chosen.log_format)
        command.ask(chosen, options)
        return uvloop.run(_run(command.run, chosen, options))
    except (WrongSetting, PortInUse, EmbeddedPostgresError, SchemaFault, JournalFault, commands.CannotDo) as fault:
        _complain(f"charge-shop {options.command}: {str(fault) or type(fault).__doc__}")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone; that is no fault of theirs. Nothing more can be written there.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception:
        _complain(traceback.format_exc())
        return 2


async def _run(run: Run, chosen: Settings, options: argparse.Namespace) -> int:
    """As a task of its own, so that Ctrl-C cancels it and what it holds is closed."""
    return await asyncio.ensure_future(run(chosen, options))


def _parser() -> argparse.ArgumentParser:
    parser = settings.OneLineParser("charge-shop", "Sells mobile top-up: prepaid credit, charges taken exactly once.")
    parser.add_argument("--version", action="version", version=f"charge-shop {version('charge-shop')}")
    chosen = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        sub = chosen.add_parser(name, help=command.help, description=command.help)
        command.arguments(sub)
        settings.add_options(sub, command.settings)
    return parser
