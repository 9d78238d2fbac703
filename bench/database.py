"""The database of a run, as the rig sees it beside the server: emptied before, counted afterwards."""

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

Row = Sequence[Any]
"""Id, scheduled time in ms, success, reason."""

_EMPTY = "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"
_ROWS = "SELECT id, scheduled_ms, success, reason FROM task WHERE scheduled_ms >= {} AND scheduled_ms < {}"


class Database:
    """``url`` as the server gets it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_postgres = url.startswith("postgresql")

    def empty(self) -> None:
        """Forget all earlier runs; a file is new anyway."""
        if self._is_postgres:
            asyncio.run(self._on_postgres(*_EMPTY))

    def rows(self, start_ms: int, end_ms: int) -> Sequence[Row]:
        """The tasks that were due in between."""
        query = _ROWS.format(start_ms, end_ms)
        if self._is_postgres:
            return asyncio.run(self._on_postgres(query))
        engine = create_engine(self.url)
        with engine.connect() as connection:
            return connection.execute(text(query)).all()

    async def _on_postgres(self, *statements: str) -> Sequence[Row]:
        engine = create_async_engine(make_url(self.url).set(drivername="postgresql+asyncpg"))
        found: Sequence[Row] = ()
        async with engine.begin() as connection:
            for statement in statements:
                result = await connection.execute(text(statement))
                found = result.all() if result.returns_rows else ()
        await engine.dispose()
        return found
