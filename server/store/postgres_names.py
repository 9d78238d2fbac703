"""
Names and their numbers on PostgreSQL, where several servers may meet the same new name at once.

What is known is only read; a new name is inserted unless another server was faster, and read then.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.store.interface import InternNames, JobName, Names, Spec
from server.store.postgres_unnest import columns, unnest
from server.store.spec_hash import spec_hash
from server.store.text import to_stored

_SPEC = ("hash", *Spec._fields)


async def intern(raw: Any, names: InternNames) -> Names:
    """The numbers of all that is asked, and the names of agents where they are given."""
    jobs = {(to_stored(name.name), to_stored(name.cell)): name for name in names.jobs}
    agents = {(to_stored(uuid),): uuid for uuid in names.agents}
    specs = {spec_hash(spec): spec for spec in names.specs}
    job_numbers = await _numbers(raw, "job", JobName._fields, jobs, jobs, 2)
    agent_numbers = await _numbers(raw, "agent", ("uuid",), agents, agents, 1)
    rows = [(hash_, *map(to_stored, spec)) for hash_, spec in specs.items()]
    spec_numbers = await _numbers(raw, "spec", _SPEC, rows, [(hash_,) for hash_ in specs], 1)
    await _name_agents(raw, names.agents)
    return Names(
        {name: job_numbers[key] for key, name in jobs.items()},
        {uuid: agent_numbers[key] for key, uuid in agents.items()},
        {spec: spec_numbers[hash_,] for hash_, spec in specs.items()},
    )


async def _numbers(
    raw: Any, table: str, fields: Sequence[str], rows: Iterable[tuple[Any, ...]], keys: Iterable[Any], width: int
) -> dict[Any, int]:
    """The numbers of the keys, which are the rows' first ``width`` fields; rows that are not there are inserted."""
    wanted = list(keys)
    found = await _find(raw, table, fields[:width], wanted)
    new = [row for row in rows if row[:width] not in found]
    if new:
        values = unnest(dict.fromkeys(fields, "text"))
        names = ", ".join(fields)
        insert = f"INSERT INTO {table} ({names}) SELECT {names} FROM {values} ON CONFLICT DO NOTHING"  # noqa: S608
        await raw.execute(insert, *columns(new, len(fields)))
        found = await _find(raw, table, fields[:width], wanted)
    return found


async def _find(raw: Any, table: str, key: Sequence[str], wanted: Sequence[Any]) -> dict[Any, int]:
    if not wanted:
        return {}
    values = unnest(dict.fromkeys(key, "text"))
    query = f"SELECT id, {', '.join(key)} FROM {table} JOIN {values} USING ({', '.join(key)})"  # noqa: S608
    return {tuple(row[1:]): row[0] for row in await raw.fetch(query, *columns(wanted, len(key)))}


async def _name_agents(raw: Any, agents: Mapping[str, str | None]) -> None:
    """Of two agents the name is the one's that got it last."""
    owners = {to_stored(name): to_stored(uuid) for uuid, name in agents.items() if name is not None}
    if owners:
        named = [(uuid, name) for name, uuid in owners.items()]
        given = unnest({"uuid": "text", "name": "text"})
        forget = "SET name = NULL", "agent.name = v.name AND agent.uuid <> v.uuid"
        give = "SET name = v.name", "agent.uuid = v.uuid AND agent.name IS DISTINCT FROM v.name"
        for change, where in (forget, give):
            await raw.execute(f"UPDATE agent {change} FROM {given} WHERE {where}", *columns(named, 2))
