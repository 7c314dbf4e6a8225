"""How a request about users and credentials may be refused."""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class IdentityCode(StrEnum):
    """Words of the API's table of problems."""

    UNAUTHENTICATED = "unauthenticated"
    TOO_MANY_ATTEMPTS = "too_many_attempts"
    USERNAME_TAKEN = "username_taken"
    LAST_ADMIN = "last_admin"
    NOT_FOUND = "not_found"
    VALIDATION_FAILED = "validation_failed"


class IdentityRefusal(Struct, frozen=True):
    """What is not done, and changed nothing."""

    code: IdentityCode
    detail: str
    field: str | None = None
    """With `validation_failed`: the member of the body that is at fault."""
    retry_after_s: int | None = None
    """With `too_many_attempts`: when the next attempt will be heard."""


WRONG_CREDENTIALS: Final = IdentityRefusal(IdentityCode.UNAUTHENTICATED, "The username or the password is not right.")
"""One answer for an unknown user, a disabled one, and a wrong password: strangers learn nothing from it."""

USERNAME_TAKEN: Final = IdentityRefusal(IdentityCode.USERNAME_TAKEN, "Another user has this username.")
LAST_ADMIN: Final = IdentityRefusal(IdentityCode.LAST_ADMIN, "The last active admin cannot be disabled.")
NO_SUCH_USER: Final = IdentityRefusal(IdentityCode.NOT_FOUND, "There is no such user.")
NOT_THE_CURRENT_PASSWORD: Final = IdentityRefusal(
    IdentityCode.VALIDATION_FAILED, "Is not the current password.", field="current_password"
)
