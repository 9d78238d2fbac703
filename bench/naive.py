"""
The same work one row per transaction with ORM calls: the way to beat.

``python -m bench.naive URL-PORT DB SECONDS``: a server that creates tasks for connected agents as fast as it can, a
row inserted and committed each, loaded, changed and committed again when its result comes.
"""

import asyncio
import json
import secrets
import sys
import time
from contextlib import suppress
from pathlib import Path

import uvloop
from aiohttp import WSMsgType, web
from sqlalchemy import String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

_IN_FLIGHT_PER_AGENT = 5


class Base(DeclarativeBase):
    """The ORM's root."""


class Task(Base):
    """A task as the protocol's rows are: texts and JSON in every row."""

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), index=True)
    token: Mapped[str]
    cron_source: Mapped[str] = mapped_column(index=True)
    task_event_type: Mapped[str]
    timestamp: Mapped[int | None]
    success: Mapped[bool | None]
    error_message: Mapped[str | None]
    task_event_result: Mapped[str | None]


class Naive:
    """The server."""

    def __init__(self, database: Path) -> None:
        self.engine = create_engine(f"sqlite:///{database}")
        event.listen(self.engine, "connect", _same_pragmas)
        Base.metadata.create_all(self.engine)
        self.completed = 0

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """One agent."""
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        registration = json.loads((await ws.receive()).data)
        uuid = registration["params"][1]
        await ws.send_str(json.dumps({"jsonrpc": "2.0", "id": 1, "result": 1}))
        with suppress(ConnectionError):  # the measurement is over
            await self.serve(ws, uuid)
        return ws

    async def serve(self, ws: web.WebSocketResponse, uuid: str) -> None:
        """Keep the agent busy."""
        for _ in range(_IN_FLIGHT_PER_AGENT):
            await self.dispatch(ws, uuid)
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                for call in json.loads(message.data):
                    await self.finish(ws, call)
                    await self.dispatch(ws, uuid)

    async def dispatch(self, ws: web.WebSocketResponse, uuid: str) -> None:
        """Insert, commit, send."""
        with Session(self.engine) as session:
            task = Task(
                uuid=uuid,
                token=secrets.token_urlsafe(8)[:10],
                cron_source="bench",
                task_event_type=json.dumps({"ping": "127.0.0.1"}),
            )
            session.add(task)
            session.commit()
            result = {"task_id": task.id, "task_token": task.token, "task_event_type": {"ping": "127.0.0.1"}}
        params = {"subscription": 1, "result": result}
        await ws.send_str(json.dumps([{"jsonrpc": "2.0", "method": "task_register_task", "params": params}]))

    async def finish(self, ws: web.WebSocketResponse, call: dict) -> None:  # type: ignore[type-arg]
        """Load, check, change, commit, answer."""
        response = call["params"][1]
        with Session(self.engine) as session:
            task = session.get(Task, response["task_id"])
            if task is None or task.token != response["task_token"] or task.success is not None:
                return
            task.timestamp = response["timestamp"]
            task.success = response["success"]
            task.task_event_result = json.dumps(response["task_event_result"])
            session.commit()
        self.completed += 1
        await ws.send_str(json.dumps([{"jsonrpc": "2.0", "id": call["id"], "result": {"id": response["task_id"]}}]))


def _same_pragmas(connection, _record) -> None:  # type: ignore[no-untyped-def]
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


async def main(port: int, database: Path, seconds: float) -> None:
    """Serve for a while after the first completion, then say how many a second were completed."""
    naive = Naive(database)
    app = web.Application()
    app.router.add_get("/", naive.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    print("listening", flush=True)
    while not naive.completed:
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    start, before = time.perf_counter(), naive.completed
    await asyncio.sleep(seconds)
    print((naive.completed - before) / (time.perf_counter() - start), flush=True)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])))
