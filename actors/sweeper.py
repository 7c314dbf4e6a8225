"""The sweeper: gives back holds that expired while nobody looked at their seller.

It only finds the sellers and asks their actors to settle; the actor writes the `expiry` entries, as it does for
whoever looks first. Lists across sellers may therefore lag one sweep behind.
"""

import asyncio
import logging

from actors.actor import InternalError, UnknownSeller
from actors.commands import Settle
from actors.directory import Directory, Draining, Overloaded, RateLimited
from journal.store import JournalFault, NotApplied

log = logging.getLogger(__name__)

HOLDS_LOOKED_AT_MAX = 1_000


async def sweep(directory: Directory) -> int:
    """One sweep; returns the number of sellers with expired holds. A seller that cannot be settled does not keep the
    others from it: its holds may be all that were looked at, so it is looked again without them."""
    count = 0
    unsettled: list[str] = []
    while True:
        sellers = await directory.store.sellers_with_expired_holds(directory.clock_us(), HOLDS_LOOKED_AT_MAX, unsettled)
        count += len(sellers)
        failed = [seller_id for seller_id in sellers if not await _settle(directory, seller_id)]
        if not failed:
            return count
        unsettled += failed


async def _settle(directory: Directory, seller_id: str) -> bool:
    """Whether its holds were given back. What hinders one seller only is logged, everything else is raised."""
    try:
        await directory.ask(seller_id, Settle())
    except (RateLimited, NotApplied, UnknownSeller, InternalError) as fault:
        log.warning("seller_not_swept", extra={"seller_id": seller_id, "reason": type(fault).__name__})
        return False
    return True


async def sweep_forever(directory: Directory, pause_s: float = 1.0) -> None:
    """Sweeps for as long as the service runs; while this instance may not write there is nothing to do."""
    while True:
        await asyncio.sleep(pause_s)
        if not directory.journal.is_ready or directory.journal.is_frozen:
            continue
        try:
            await sweep(directory)
        except (JournalFault, Overloaded, Draining) as fault:
            log.info("sweep_postponed", extra={"reason": type(fault).__name__})
