"""What the directory tells about all of its actors."""

import asyncio
import sys
from types import FrameType

from actors.commands import Settle
from actors.directory import Directory
from tests.actors.cells import SELLER_ID, running_cell
from tests.actors.test_recovery import BATCH

SELLERS = 200


def calls_of(directory: Directory) -> int:
    """How many functions are called to learn how many commands are queued."""
    calls = 0

    def count(frame: FrameType, event: str, argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    directory.queued()
    sys.setprofile(None)
    return calls


async def test_to_count_what_is_queued_costs_nothing_for_sellers_who_are_idle() -> None:
    """A hundred thousand may be loaded, and the event loop stands still meanwhile."""
    async with running_cell() as cell:
        asked = [cell.directory.ask(f"{number:032x}", Settle()) for number in range(SELLERS)]
        assert cell.directory.queued() == SELLERS  # Each behind the load of its account.
        await asyncio.gather(*asked)
        await asyncio.sleep(0)
        assert calls_of(cell.directory) < 10

        asked = [cell.directory.ask(SELLER_ID, command) for command in (Settle(), BATCH, Settle(), Settle())]
        assert cell.directory.queued() == 4
        await asyncio.gather(*asked)
        await asyncio.sleep(0)
        assert (cell.directory.queued(), cell.directory.busy) == (0, set())
