"""Sellers as the shop knows them: name, currency, cell. What stands in their accounts is in their cell's journal.

A seller and its user are made together and have one id; its last eight digits, the *tag*, end the ids of all
its entries (`journal.ids`) and are unique: on a clash another id is drawn.
"""

import unicodedata
from typing import Final

import asyncpg
from msgspec import Struct

from journal.ids import new_id
from service.identity.database import Database
from service.identity.instants import of_column, to_column
from service.identity.page import FIRST, Position
from service.identity.passwords import MayGoOn, Passwords, always
from service.identity.refusals import USERNAME_TAKEN, IdentityRefusal
from service.identity.sources import Sources
from service.identity.users import User, insert_user

_DRAWS_MAX: Final = 20
_CLASHES: Final = frozenset({"users_pkey", "sellers_pkey", "sellers_tag"})
_GRAM_LENGTH: Final = 3

_SELECT: Final = """
    SELECT s.id::text, u.username, s.name, s.currency, s.cell, s.created_at
      FROM shop.sellers s JOIN shop.users u ON u.id = s.id
"""
INSERT: Final = """
    INSERT INTO shop.sellers (id, name, search, currency, cell, created_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
FIND: Final = f"{_SELECT} WHERE s.id = $1"
FIND_BY_TAG: Final = f"{_SELECT} WHERE right(s.id::text, 8) = $1"
NEWEST: Final = f"""{_SELECT}
     WHERE (s.created_at, s.id) < ($1, $2) AND {{status}}
     ORDER BY s.created_at DESC, s.id DESC LIMIT $3
"""
# Of the suspended, who are few among many: by the index on them, whose order is that of the ids, and so of the time.
NEWEST_SUSPENDED: Final = f"""{_SELECT}
      JOIN (SELECT a.seller_id FROM cell_00.accounts a
             WHERE a.is_suspended AND a.seller_id < $2 AND $1::timestamptz IS NOT NULL
             ORDER BY a.seller_id DESC LIMIT $3) a ON a.seller_id = s.id
     ORDER BY s.id DESC
"""
# The grams find candidates by index, LIKE decides. A short text has thousands: their users wait until the page is cut.
SEARCH: Final = """
    SELECT s.id::text, u.username, s.name, s.currency, s.cell, s.created_at
      FROM (SELECT * FROM shop.sellers s
             WHERE (s.created_at, s.id) < ($1, $2) AND {status}
               AND shop.grams(s.search) @> $4 AND s.search LIKE $5
             ORDER BY s.created_at DESC, s.id DESC LIMIT $3) s
      JOIN shop.users u ON u.id = s.id
     ORDER BY s.created_at DESC, s.id DESC
"""
# Whether a seller is suspended stands in its cell.
_SUSPENDED: Final = "EXISTS (SELECT FROM cell_00.accounts a WHERE a.seller_id = s.id AND a.is_suspended)"
_OF_STATUS: Final = {None: "true", True: _SUSPENDED, False: f"NOT {_SUSPENDED}"}
RENAME: Final = """
    UPDATE shop.sellers s SET name = $2, search = $3 || lower(u.username)
      FROM shop.users u WHERE s.id = $1 AND u.id = s.id
"""


class SellerProfile(Struct, frozen=True):
    id: str
    username: str
    name: str
    currency: str
    cell: str
    created_at_us: int


class Sellers:
    def __init__(self, database: Database, passwords: Passwords, sources: Sources) -> None:
        self._database = database
        self._passwords = passwords
        self._sources = sources

    async def create(
        self,
        username: str,
        password: str,
        name: str,
        currency: str,
        may_go_on: MayGoOn = always,
        *,
        cell: str = "cell_00",
    ) -> SellerProfile | IdentityRefusal:
        """The seller and its user, both or neither. Its account is opened by its cell, on first use."""
        password_hash = await self._passwords.hash(password, may_go_on)
        for _ in range(_DRAWS_MAX):
            now_us = self._sources.now_us()
            seller = SellerProfile(new_id(now_us, self._sources.random_bytes), username, name, currency, cell, now_us)
            try:
                await self._insert(seller, password_hash)
            except asyncpg.UniqueViolationError as clash:
                if clash.constraint_name == "users_username":
                    return USERNAME_TAKEN
                if clash.constraint_name not in _CLASHES:
                    raise
            else:
                return seller
        raise AssertionError(f"no free tag in {_DRAWS_MAX} draws of 4,294,967,296: the random source is not one")

    async def find(self, seller_id: str) -> SellerProfile | None:
        async with self._database.reading() as connection:
            row = await connection.fetchrow(FIND, seller_id)
        return _profile_of(row) if row is not None else None

    async def find_by_tag(self, tag: str) -> SellerProfile | None:
        """The seller whose entries' ids end in these eight lower-case hex digits."""
        async with self._database.reading() as connection:
            row = await connection.fetchrow(FIND_BY_TAG, tag)
        return _profile_of(row) if row is not None else None

    async def list(
        self,
        *,
        limit: int,
        before: Position = FIRST,
        search: str | None = None,
        is_suspended: bool | None = None,
    ) -> list[SellerProfile]:
        """Newest first; with `search`, those with it in their username or name, in whatever case."""
        status = _OF_STATUS[is_suspended]
        folded = _folded(search or "")
        async with self._database.reading() as connection:
            if folded:
                rows = await connection.fetch(
                    SEARCH.replace("{status}", status),
                    before.at,
                    before.id,
                    limit,
                    _grams(folded),
                    f"%{_like_escaped(folded)}%",
                )
            else:
                statement = NEWEST_SUSPENDED if is_suspended else NEWEST.replace("{status}", status)
                rows = await connection.fetch(statement, before.at, before.id, limit)
        return [_profile_of(row) for row in rows]

    async def rename(self, seller_id: str, name: str) -> bool:
        """False when there is no such seller."""
        async with self._database.writing() as connection:
            return await connection.execute(RENAME, seller_id, name, _search_prefix(name)) == "UPDATE 1"

    async def _insert(self, seller: SellerProfile, password_hash: str) -> None:
        user = User(seller.id, seller.username, "seller", "active", password_hash, seller.created_at_us)
        async with self._database.writing() as connection:
            await insert_user(connection, user)
            await connection.execute(
                INSERT,
                seller.id,
                seller.name,
                _search_prefix(seller.name) + seller.username.lower(),
                seller.currency,
                seller.cell,
                to_column(seller.created_at_us),
            )


def _search_prefix(name: str) -> str:
    """The text that is searched is this and the username; no search spans the line break between them."""
    return _folded(name) + "\n"


def _folded(text: str) -> str:
    """Characters that people take for the same become the same, independent of the server's locale."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return folded.replace("\n", " ")


def _grams(folded: str) -> list[str]:
    """Substrings that whatever contains `folded` contains too, of the lengths that `shop.grams` makes."""
    length = min(_GRAM_LENGTH, len(folded))
    return sorted({folded[start : start + length] for start in range(len(folded) - length + 1)})


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _profile_of(row: asyncpg.Record) -> SellerProfile:
    return SellerProfile(
        id=row["id"],
        username=row["username"],
        name=row["name"],
        currency=row["currency"],
        cell=row["cell"],
        created_at_us=of_column(row["created_at"]),
    )
