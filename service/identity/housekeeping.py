"""What identity does by itself, once a minute: writes when API keys were last used, deletes expired tokens."""

import asyncio
import logging
from typing import Final

from journal.store import JournalFault
from service.identity.api_keys import LastUsed
from service.identity.tokens import Tokens

INTERVAL_S: Final = 60.0

log = logging.getLogger(__name__)


async def keep_house(tokens: Tokens, last_used: LastUsed, *, interval_s: float = INTERVAL_S) -> None:
    """Runs until cancelled. After that, `last_used.flush()` once more loses nothing."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            await last_used.flush()
            await tokens.delete_expired()
        except JournalFault as fault:
            log.warning("housekeeping_postponed", extra={"reason": str(fault)})
