"""`python -m loadtest`: the harness. Status 0, or 1 on a violation, 2 if it could not be played, 130 if interrupted."""

import asyncio
import signal
import sys

import uvloop
from rich.console import Console

from loadtest.client import UnexpectedAnswer, Unreachable, allow_many_connections
from loadtest.entries import UnreadableJournal
from loadtest.harness.options import wishes_of
from loadtest.harness.run import INTERRUPTED, run
from loadtest.service_process import ServiceFailed


def main() -> int:
    wishes = wishes_of()
    allow_many_connections()
    # Whoever ends us, the service that we started ends too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Lines in a log are not cut to the width of a terminal that is not there.
    console = Console(width=None if sys.stdout.isatty() else 120)
    try:
        return uvloop.run(run(wishes, console))
    except (Unreachable, UnexpectedAnswer, UnreadableJournal, ServiceFailed) as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 2
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
