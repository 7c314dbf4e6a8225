"""The commands beside `serve`. Each opens the database as it needs it, does one thing, and closes it.

They may run while the service does: what they change of users takes effect there at once, by notification.
"""

import argparse
import asyncio
import getpass
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from actors.directory import wall_clock_us
from actors.verification import Finding, Progress, verify_journal
from journal.ids import is_id
from journal.migrate import check_version
from journal.reader import Reader
from service.database import bring_up_to_date, home_for_command, pool_of
from service.identity.database import Database
from service.identity.passwords import Passwords, password_fault
from service.identity.refusals import IdentityRefusal
from service.identity.users import Users
from service.settings import Settings

POOL_MAX = 2


class CannotDo(Exception):
    """What was asked cannot be done; the text says why."""


async def migrate(chosen: Settings, _: argparse.Namespace) -> int:
    async with home_for_command(chosen.data_dir, chosen.database_url, chosen.migration_url, create=True) as home:
        applied = await bring_up_to_date(home)
    print(f"applied {applied} migrations" if applied else "the database is up to date")
    return 0


async def create_admin(chosen: Settings, options: argparse.Namespace) -> int:
    password = await asyncio.to_thread(_new_password, f"password for {options.name}: ")
    async with _users(chosen) as users:
        made = await users.create_admin(options.name, password)
        if isinstance(made, IdentityRefusal):
            raise CannotDo(made.detail)
    print(f"created the admin {made.username} ({made.id})")
    return 0


async def reset_password(chosen: Settings, options: argparse.Namespace) -> int:
    password = await asyncio.to_thread(_new_password, f"new password for {options.name}: ")
    async with _users(chosen) as users:
        user = await users.find_by_name(options.name)
        if user is None:
            raise CannotDo(f"there is no user {options.name}")
        refusal = await users.reset_password(user.id, password)
        if refusal is not None:
            raise CannotDo(refusal.detail)
    print(f"set the password of {user.username}; its tokens have ended")
    return 0


async def heads(chosen: Settings, _: argparse.Namespace) -> int:
    async with _pool(chosen) as pool:
        async for head in Reader(pool).heads():
            line = {"seller_id": head.seller_id, "seq": head.seq, "hash": head.hash.hex()}
            print(json.dumps(line, separators=(",", ":")))
    return 0


def _new_password(prompt: str) -> str:
    """Asked for on a terminal, twice; else the first line of standard input."""
    if sys.stdin.isatty():
        password = getpass.getpass(prompt)
        if getpass.getpass("again: ") != password:
            raise CannotDo("the two passwords differ")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    fault = password_fault(password)
    if fault is not None:
        raise CannotDo(fault)
    return password


@asynccontextmanager
async def _pool(chosen: Settings) -> AsyncIterator[Any]:
    async with home_for_command(chosen.data_dir, chosen.database_url) as home:
        await check_version(home.app_url)
        async with pool_of(home.app_url, POOL_MAX) as pool:
            yield pool


@asynccontextmanager
async def _users(chosen: Settings) -> AsyncIterator[Users]:
    async with _pool(chosen) as pool:
        passwords = Passwords()
        try:
            yield Users(
                Database(pool),
                passwords,
                now_us=wall_clock_us,
                random_bytes=os.urandom,
                forget=lambda user_id: None,  # The service hears of it from the database.
            )
        finally:
            passwords.close()
