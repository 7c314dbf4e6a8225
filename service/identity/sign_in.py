"""Where a password is asked for: signing in, and changing it.

Both go the same way: is this attempt heard at all (`throttle`), a turn to check the password, and asked once
more in the turn, when the attempts ahead have been counted. An unknown user, a disabled one and a wrong
password take the same time and get the same answer.
"""

from msgspec import Struct

from service.identity.credentials import Principal
from service.identity.passwords import Passwords, Turn
from service.identity.refusals import (
    NO_SUCH_USER,
    NOT_THE_CURRENT_PASSWORD,
    WRONG_CREDENTIALS,
    IdentityRefusal,
)
from service.identity.throttle import Throttle, parties
from service.identity.tokens import Tokens
from service.identity.users import Role, User, Users


class Session(Struct, frozen=True):
    """The answer to a right password."""

    token: str
    expires_at_us: int
    role: Role
    seller_id: str | None


class SignIn:
    def __init__(self, users: Users, tokens: Tokens, passwords: Passwords, throttle: Throttle) -> None:
        self._users = users
        self._tokens = tokens
        self._passwords = passwords
        self._throttle = throttle

    async def sign_in(self, username: str, password: str, address: str) -> Session | IdentityRefusal:
        """A token for the right password, given from `address` (the client's, not a proxy's). May raise Overloaded."""
        if refusal := self._throttle.refusal(username, address):
            return refusal
        user = await self._users.find_by_name(username)
        is_active = user is not None and user.status == "active"
        async with self._passwords.turn(*parties(username, address)) as turn:
            refusal = await self._check(turn, user if is_active else None, username, password, address)
            if refusal is not None:
                return refusal
            assert user is not None
            password_hash = await self._with_todays_parameters(turn, user, password)
        issued = await self._tokens.issue(user.id, password_hash)
        if issued is None:  # changed or disabled while we were looking
            return WRONG_CREDENTIALS
        return Session(issued.token, issued.expires_at_us, user.role, user.id if user.role == "seller" else None)

    async def change_password(
        self, principal: Principal, current_password: str, new_password: str, address: str
    ) -> IdentityRefusal | None:
        """All other tokens of the user end; the one that asked goes on. `new_password` has no fault."""
        if refusal := self._throttle.refusal(principal.username, address):
            return refusal
        user = await self._users.find(principal.user_id)
        if user is None:
            return NO_SUCH_USER
        async with self._passwords.turn(*parties(user.username, address)) as turn:
            refusal = await self._check(turn, user, user.username, current_password, address)
            if refusal is not None:
                return NOT_THE_CURRENT_PASSWORD if refusal is WRONG_CREDENTIALS else refusal
            new_hash = await turn.hash(new_password)
        is_replaced = await self._users.replace_password(
            user.id, user.password_hash, new_hash, surviving_token=principal.digest
        )
        return None if is_replaced else NOT_THE_CURRENT_PASSWORD

    async def _check(
        self, turn: Turn, user: User | None, username: str, password: str, address: str
    ) -> IdentityRefusal | None:
        if refusal := self._throttle.refusal(username, address):
            return refusal
        if not await turn.verify(user.password_hash if user is not None else None, password):
            self._throttle.failed(username, address)
            return WRONG_CREDENTIALS
        self._throttle.succeeded(username, address)
        return None

    async def _with_todays_parameters(self, turn: Turn, user: User, password: str) -> str:
        """The hash that stands in the database once those of older parameters have been brought up to date."""
        if not self._passwords.needs_rehash(user.password_hash):
            return user.password_hash
        new_hash = await turn.hash(password)
        is_current = await self._users.refresh_hash(user.id, user.password_hash, new_hash)
        return new_hash if is_current else user.password_hash
