"""
Frames that nobody would send, from a seed: calls that are nearly right, batches, broken ones of these, and noise.

A call that must be answered has an id of its own, so that a missing or second answer is seen.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tests.server.rig import AGENT, ROOT, new_task

# Over HTTP these are an internal error, and in a batch over a WebSocket they are answered twice.
SUBSCRIPTIONS = ("task_unregister_task", "task_subscribe_results", "task_unsubscribe_results")
UNCOUNTED_ID = 7
METHODS = (
    "task_create_task",
    "task_create_batch",
    "task_query",
    "task_delete",
    "task_upload_task_result",
    *SUBSCRIPTIONS,
    "task_stats",
    "token_create",
    "token_get",
    "token_edit",
    "token_delete",
    "token_list_all_tokens",
    "crontab_get",
    "crontab_create",
    "crontab-result_query",
    "agent_list",
    "agent-uuid_list_all",
    "agent_report_static",
    "nodeget-server_uuid",
    "nodeget-server_list_all_agent_uuid",
    "nope",
)
NUMBERS = (0, -1, 2**63, 2**64, 2**70, 1.5, 1e308, -(2**63), 10**400)
STRINGS = ("", AGENT, "ping", "\x00", "😀", "a" * 1000, "'; DROP TABLE task;--", "x:y", ROOT, "*")
KEYS = ("ping", "execute", "http_request", "ip", "cmd", "args", "url", "limit", "last", "task_id", "uuid", "condition")


def value(random: Random, depth: int = 0) -> Any:
    """Any JSON, with a taste for what the protocol knows."""
    if depth < 4 and random.random() < 0.5:
        values = [value(random, depth + 1) for _ in range(random.randrange(4))]
        return values if random.random() < 0.5 else {random.choice(KEYS): found for found in values}
    if random.random() < 0.1:
        return {**new_task(), random.choice(list(new_task())): value(random, 4)}
    return random.choice((random.choice(NUMBERS), random.choice(STRINGS), None, True))


class Frame(NamedTuple):
    """A frame, and the ids of its calls that must be answered once each."""

    data: bytes
    ids: frozenset[str]


def frames(seed: int, count: int) -> Iterator[Frame]:
    """So many of them."""
    random = Random(seed)
    for number in range(count):
        yield _frame(random, f"{seed}/{number}")


def _frame(random: Random, name: str) -> Frame:
    if random.random() < 0.1:
        return Frame(random.randbytes(random.randrange(1, 80)), frozenset())
    is_batch = random.random() < 0.3
    is_spoilt = random.random() < 0.2
    calls = [_call(random, None if is_spoilt else f"{name}/{place}") for place in range(3 if is_batch else 1)]
    text = json.dumps(calls if is_batch else calls[0]).encode()
    if is_spoilt:
        spoilt = bytearray(text)
        spoilt[random.randrange(len(spoilt))] = random.randrange(256)
        return Frame(bytes(spoilt), frozenset())
    return Frame(text, frozenset(one["id"] for one in calls if isinstance(one["id"], str)))


def _call(random: Random, name: str | None) -> dict[str, Any]:
    """A call of a known method with parameters that are nearly right; ``name`` ``None`` is one that does not count."""
    named = {name: value(random) for name in ("token", "target_uuid", "task_type", "conditions", "tasks")}
    positional = [ROOT, *(value(random) for _ in range(random.randrange(4)))]
    method = random.choice(METHODS)
    id_ = random.choice([name] * 4 + [None, 1.0, -1, 2**64, True])
    return {
        "jsonrpc": random.choice(["2.0"] * 9 + ["1.0"]),
        "id": UNCOUNTED_ID if name is None or method in SUBSCRIPTIONS else id_,
        "method": method,
        "params": random.choice([positional, {**named, "token": ROOT}, value(random)]),
    }


def answers(reply: bytes) -> list[dict[str, Any]]:
    """The answers in a reply that count; notifications and silence are none."""
    found = json.loads(reply)
    replies = [one for one in (found if isinstance(found, list) else [found]) if one is not None]
    return [one for one in replies if one.get("id", UNCOUNTED_ID) != UNCOUNTED_ID]


def codes(reply: bytes) -> list[int]:
    """The codes of all errors in a reply."""
    return [one["error"]["code"] for one in answers(reply) if "error" in one]
