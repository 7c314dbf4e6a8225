"""Who changed what about users: a line of the log for each change, since the journal tells of accounts only.

To be written once the change is durable, so that nothing is told that did not happen.
"""

import logging
from enum import StrEnum
from typing import Final

from service.identity.credentials import Principal

log: Final = logging.getLogger(__name__)


class Change(StrEnum):
    ADMIN_CREATED = "admin_created"
    ADMIN_ENABLED = "admin_enabled"
    ADMIN_DISABLED = "admin_disabled"
    SELLER_CREATED = "seller_created"
    SELLER_RENAMED = "seller_renamed"
    PASSWORD_CHANGED = "password_changed"
    PASSWORD_RESET = "password_reset"
    API_KEY_CREATED = "api_key_created"
    API_KEY_REVOKED = "api_key_revoked"


def log_change(what: Change, whom: str, principal: Principal) -> None:
    """`whom`: the id of a user, or of an API key."""
    log.info("identity_changed", extra={"what": what, "whom": whom, "by": principal.user_id})
