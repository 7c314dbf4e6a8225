"""The PostgreSQL of the service under test, for what is measured beside it: databases of their own on one server.

That all contenders share one server, its disk and its settings is the point; nothing of the service's own database is
touched.
"""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from journal.embedded import running
from journal.migrate import migrate


class Databases:
    """Of the server under `data_dir`, which the service keeps running."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._url = ""

    async def open(self) -> None:
        async with running(self._data_dir) as server:
            self._url = server.owner_url

    @property
    def service_url(self) -> str:
        """Of the service's own. Holds a password."""
        return self._url

    async def make(self, name: str) -> str:
        """A new one, empty; answers its URL, which holds a password."""
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        finally:
            await connection.close()
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))

    async def make_migrated(self, name: str) -> str:
        """With the shop's own tables and indexes."""
        url = await self.make(name)
        await migrate(url)
        return url
