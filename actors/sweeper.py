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

SELLERS_PER_SWEEP_MAX = 1_000


async def sweep(directory: Directory) -> int:
    """One sweep; returns the number of sellers with expired holds. A seller that cannot be settled is logged, and does
    not keep the others from it."""
    sellers = await directory.store.sellers_with_expired_holds(directory.clock_us(), SELLERS_PER_SWEEP_MAX)
    for seller_id in sellers:
        try:
            await directory.ask(seller_id, Settle())
        except (RateLimited, NotApplied, UnknownSeller, InternalError) as fault:
            log.warning("seller_not_swept", extra={"seller_id": seller_id, "reason": type(fault).__name__})
    return len(sellers)


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
