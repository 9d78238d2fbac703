"""What only the store on PostgreSQL must do: share its database, come back by itself, say what hinders a start."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from protocol.conditions import Limit
from protocol.errors import ConfigError, Error, StartError, StoreFailed
from protocol.outcomes import Reason
from server.store import open_store, public_url
from server.store.interface import (
    DeleteIds,
    DeleteTasks,
    FinishTasks,
    InsertTasks,
    InternNames,
    JobName,
    PutToken,
    ReserveIds,
    Spec,
    Store,
)
from server.store.postgres import open_postgres
from server.store.postgres_days import DAY_MS, today
from tests.contract.stores import AGENTS, JOBS, TOKEN, finish_row, names, task_row, write
from tests.postgres import PASSWORD, PASSWORD_IN_URL, Cluster, Database, open_cluster

pytestmark = pytest.mark.external("postgres")

DEADLINE_S = 20


@pytest.fixture
async def two(database: Database) -> AsyncIterator[list[Store]]:
    """Two servers' stores on the same database."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_store(database.url)) for _ in range(2)]


async def test_servers_that_start_together_migrate_once(postgres: Cluster) -> None:
    await postgres.execute("CREATE DATABASE fresh")
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_S):
        url = postgres.url("fresh").replace("+asyncpg", "")
        stores = await asyncio.gather(*(stack.enter_async_context(open_store(url)) for _ in range(4)))
        assert len({await store.setting("server_uuid", str(n)) for n, store in enumerate(stores)}) == 1


async def test_servers_never_get_the_same_ids(two: list[Store]) -> None:
    firsts = await asyncio.gather(*(write(two[n % 2], ReserveIds(7)) for n in range(40)))
    assert sorted(firsts) == list(range(1, 281, 7))


async def test_servers_give_a_new_name_one_number(two: list[Store]) -> None:
    for n in range(10):
        change = InternNames((JobName(f"job-{n}", ""),), {AGENTS[n % 2]: f"agent-{n}"}, (Spec(f'{{"ping":"{n}"}}'),))
        one, other = await asyncio.gather(*(write(store, change) for store in two))
        assert one == other


async def test_servers_give_new_tokens_different_ids(two: list[Store]) -> None:
    ids = await asyncio.gather(*(write(two[n % 2], PutToken(TOKEN._replace(key=str(n)))) for n in range(10)))
    assert sorted(ids) == list(range(1, 11))


async def test_a_tick_is_inserted_once_whoever_fires(two: list[Store]) -> None:
    known = await names(two[0])
    for turn in range(10):
        ids = range(turn * 200, turn * 200 + 100)
        batches = [
            InsertTasks([task_row(id_, known, scheduled_ms=id_ + 1) for id_ in ids]),
            InsertTasks([task_row(id_ + 100, known, scheduled_ms=id_ + 1) for id_ in reversed(ids)]),
        ]
        answers = await asyncio.gather(*(write(store, batch) for store, batch in zip(two, batches, strict=True)))
        assert sorted(map(len, answers)) == [0, 100]
        assert all(abs(id_ - holder) == 100 for answer in answers for id_, holder in answer.items())
    assert len(await two[0].select([Limit(10_000)])) == 1_000


async def test_the_first_of_two_ends_wins_also_within_a_group(two: list[Store]) -> None:
    known = await names(two[0])
    await write(two[0], InsertTasks([task_row(1, known)]))
    await two[0].write([FinishTasks([finish_row(1, latency_ms=value)]) for value in (1.0, 2.0)])
    [row] = await two[0].select([])
    assert row.latency_ms == 1.0


async def test_rows_lie_in_the_parts_of_their_days_and_odd_ones_in_the_default(database: Database) -> None:
    now_ms = today() * DAY_MS
    days = {-40: "task_of_no_day", -1: None, 0: None, 3: None, 400: "task_of_no_day"}
    async with open_store(database.url) as store:
        known = await names(store)
        rows = [task_row(id_, known, scheduled_ms=now_ms + day * DAY_MS) for id_, day in enumerate(days)]
        await write(store, InsertTasks([*rows, task_row(9, known, job_id=None, scheduled_ms=None)]))
        # Ends are found wherever their rows are.
        await write(store, FinishTasks([finish_row(id_, stored_ms=now_ms) for id_ in (*range(5), 9)]))
        assert await store.running() == []
        assert await write(store, DeleteTasks((), 2)) == (2, [])
    parts = await database.parts()
    assert sum(parts.values()) == 4
    assert {len(name) for name in parts} <= {len("task_of_no_day"), len("task_20260101")}
    assert len(parts) >= 2


async def test_ids_are_found_and_deleted_in_whatever_day_they_are(database: Database) -> None:
    now_ms = today() * DAY_MS
    async with open_store(database.url) as store:
        known = await names(store)
        days = {1: 0, 2: -1, 3: -300, 4: 0, 5: 1, 6: 1}
        rows = [task_row(id_, known, scheduled_ms=now_ms + day * DAY_MS + id_) for id_, day in days.items()]
        await write(store, InsertTasks(rows))
        for among in ([1, 2, 4], [4, 3, 1], [3], [2, 99], [99], [], list(days)):
            assert {row.id for row in await store.select([Limit(99)], among)} == set(among) & days.keys()
        assert await write(store, DeleteIds([1, 3, 5, 99])) == 3
        assert [row.id for row in await store.running()] == [2, 4, 6]


async def test_last_ends_are_found_in_whatever_day_they_are(database: Database) -> None:
    now_ms = today() * DAY_MS
    async with open_store(database.url) as store:
        known = await names(store)
        days = {1: -300, 2: -1, 3: 1, 4: 0}
        ms = {id_: now_ms + day * DAY_MS for id_, day in days.items()}
        ends = [finish_row(id_, finished_ms=ms[id_] + 50, stored_ms=ms[id_] + 60) for id_ in days]
        ends[0] = ends[0]._replace(success=False, reason=int(Reason.TIMEOUT), latency_ms=None)
        await write(store, InsertTasks([task_row(id_, known, scheduled_ms=ms[id_]) for id_ in days]))
        await write(store, FinishTasks(ends))
        for most_rows, found in ((1, [3]), (3, [3]), (4, [3, 1])):
            assert [end.scheduled_ms for end in await store.last_ends(JOBS, most_rows)] == [ms[id_] for id_ in found]
    assert len(await database.parts()) == 4


async def test_days_that_are_over_and_empty_are_dropped(database: Database) -> None:
    day = today() - 40
    async with open_store(database.url) as store:
        known = await names(store)
    for offset in (0, 1, 2):
        make = f"CREATE TABLE {{}} PARTITION OF task FOR VALUES FROM ({day + offset}) TO ({day + offset + 1})"
        name = f"(SELECT to_char(to_timestamp({day + offset} * 86400) AT TIME ZONE 'UTC', '\"task_\"YYYYMMDD'))"
        async with database.cluster.connect(database.name) as connection:
            await connection.execute(make.format(await connection.fetchval(f"SELECT {name}")))
    async with open_store(database.url) as store:
        # Dropped when the store was opened: these find no part of their day.
        rows = [task_row(id_, known, scheduled_ms=(day + id_) * DAY_MS) for id_ in (0, 1)]
        await write(store, InsertTasks(rows))
        assert [row.id for row in await store.select([Limit(9)])] == [1, 0]
    assert await database.parts() == {"task_of_no_day": 2}


async def test_a_few_rows_left_in_an_old_day_move_to_the_default_part(database: Database) -> None:
    day = today() - 40
    async with open_store(database.url) as store:
        known = await names(store)
        async with database.cluster.connect(database.name) as connection:
            make = f"CREATE TABLE task_19991231 PARTITION OF task FOR VALUES FROM ({day}) TO ({day + 1})"
            await connection.execute(make)
        await write(store, InsertTasks([task_row(1, known, scheduled_ms=day * DAY_MS)]))
        assert await database.parts() == {"task_19991231": 1}
    async with open_store(database.url) as store:
        assert await write(store, InsertTasks([task_row(2, known, scheduled_ms=day * DAY_MS)])) == {2: 1}
    assert await database.parts() == {"task_of_no_day": 1}


async def test_lost_connections_are_made_again(database: Database) -> None:
    async with open_store(database.url) as store, asyncio.timeout(DEADLINE_S):
        known = await names(store)
        for id_ in range(1, 4):
            await store.select([])
            assert await database.cluster.cut_off(database.name) >= 2
            await until_written(store, InsertTasks([task_row(id_, known)]))
            assert len(await store.select([])) == id_


async def until_written(store: Store, change: InsertTasks) -> int:
    """Try until it is written; how often that failed."""
    failures = 0
    while True:
        try:
            await write(store, change)
        except StoreFailed:
            failures += 1
        else:
            return failures


async def test_a_change_under_way_fails_when_its_connection_is_lost(database: Database) -> None:
    async with open_store(database.url) as store, asyncio.timeout(DEADLINE_S):
        known = await names(store)
        async with database.cluster.connect(database.name) as blocker:
            await blocker.execute("BEGIN")
            await blocker.execute("LOCK TABLE task")
            writing = asyncio.create_task(write(store, InsertTasks([task_row(1, known)])))
            waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = $1"
            async with database.cluster.connect() as watcher:
                while (pid := await watcher.fetchval(waiting, database.name)) is None:
                    pass
                await watcher.execute("SELECT pg_terminate_backend($1, 5000)", pid)
            with pytest.raises(StoreFailed) as failed:
                await writing
        assert "terminating connection" in failed.value.message
        assert await write(store, InsertTasks([task_row(1, known)])) == {}
        assert len(await store.select([])) == 1


async def test_a_postgres_that_was_started_again_is_found_again() -> None:
    with open_cluster() as cluster:
        await cluster.execute("CREATE DATABASE probes")
        async with open_store(cluster.url("probes")) as store, asyncio.timeout(2 * DEADLINE_S):
            known = await names(store)
            await write(store, InsertTasks([task_row(1, known)]))
            cluster.stop()
            for _ in range(2):
                with pytest.raises(StoreFailed):
                    await write(store, InsertTasks([task_row(2, known)]))
                with pytest.raises(StoreFailed):
                    await store.select([])
            cluster.start()
            assert await write(store, InsertTasks([task_row(2, known)])) == {}
            assert [row.id for row in await store.running()] == [1, 2]


async def test_a_postgres_that_stands_still_ends_no_call_later_than_its_deadline(database: Database) -> None:
    async with open_postgres(database.url, call_s=0.5) as store, asyncio.timeout(DEADLINE_S):
        known = await names(store)
        async with database.cluster.connect() as watcher:
            pids = await watcher.fetch("SELECT pid FROM pg_stat_activity WHERE datname = $1", database.name)
        for pid in pids:
            os.kill(pid[0], signal.SIGSTOP)
        try:
            calls = [write(store, InsertTasks([task_row(1, known)])), *(store.select([]) for _ in range(4))]
            said = await asyncio.gather(*calls, return_exceptions=True)
        finally:
            for pid in pids:
                os.kill(pid[0], signal.SIGCONT)
        assert {type(failure) for failure in said} <= {StoreFailed, list}
        assert isinstance(said[0], StoreFailed)
        assert said[0].message.endswith("no answer from PostgreSQL in time")
        assert await write(store, InsertTasks([task_row(1, known)])) == {}


async def said_at_start(url: str, kind: type[Error] = StartError) -> str:
    with pytest.raises(kind) as refused:
        async with open_store(url):
            pass
    said = str(refused.value)
    assert PASSWORD not in said
    assert PASSWORD_IN_URL not in said
    return said


async def test_what_hinders_a_start_is_said_with_the_remedy(database: Database) -> None:
    port, url = database.cluster.port, database.url
    where = f"postgresql://postgres@127.0.0.1:{port}/{database.name}"
    assert await said_at_start(url.replace("w0rd", "wrong")) == (
        f"{where}: the password of postgres is refused; correct it in CRONPROBE_STORE or --store"
    )
    assert await said_at_start(database.cluster.url("nowhere")) == (
        f"postgresql://postgres@127.0.0.1:{port}/nowhere: there is no such database; "
        "create it: createdb -O postgres nowhere"
    )
    unreachable = await said_at_start(url.replace(f":{port}/", ":1/"))
    assert unreachable == (
        f"{where.replace(f':{port}/', ':1/')}: cannot be reached: Connection refused; "
        "start PostgreSQL, or correct the address"
    )
    assert (await said_at_start(url.replace("127.0.0.1", "nowhere.invalid"))).endswith(
        "; start PostgreSQL, or correct the address"
    )
    await database.cluster.execute(f"CREATE ROLE guest LOGIN PASSWORD '{PASSWORD}'")
    as_guest = database.cluster.url("postgres").replace("//postgres:", "//guest:")
    assert await said_at_start(as_guest) == (
        f"postgresql://guest@127.0.0.1:{port}/postgres: permission denied for schema public; "
        "make guest the owner of the database"
    )


async def test_a_database_of_a_newer_cronprobe_is_refused(database: Database) -> None:
    await database.cluster.execute("UPDATE alembic_version SET version_num = '9999'", database=database.name)
    said = await said_at_start(database.url)
    assert said.startswith(f"postgresql://postgres@127.0.0.1:{database.cluster.port}/{database.name}: cannot be opened")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (
            f"postgres://me:{PASSWORD_IN_URL}@db/probes",
            "--store: no store has the scheme 'postgres'; "
            "want sqlite:///PATH or postgresql://USER:PASSWORD@HOST:PORT/DB",
        ),
        (
            f"postgresql://me:{PASSWORD_IN_URL}@db:5432",
            "--store: postgresql://me@db:5432 names no database; want postgresql://USER:PASSWORD@HOST:PORT/DB",
        ),
        (
            f"postgresql://me:{PASSWORD_IN_URL}@db:port/probes",
            "--store: the URL cannot be read; want postgresql://USER:PASSWORD@HOST:PORT/DB, "
            "other signs of a password as %XX",
        ),
        (
            f"postgresql://me:{PASSWORD_IN_URL}@db/probes?passfile={PASSWORD_IN_URL}",
            "--store: postgresql://me@db/probes: unknown option 'passfile'; known: host, port, ssl, sslmode",
        ),
    ],
)
async def test_a_url_that_is_none_is_a_mistake(url: str, said: str) -> None:
    assert await said_at_start(url, ConfigError) == said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"postgresql+asyncpg://me:{PASSWORD_IN_URL}@db:5432/probes?ssl=require", "postgresql://me@db:5432/probes"),
        ("sqlite:////var/lib/cronprobe/cronprobe.db", "sqlite:////var/lib/cronprobe/cronprobe.db"),
    ],
)
def test_the_url_that_is_shown_has_no_password(url: str, shown: str) -> None:
    assert public_url(url) == shown
