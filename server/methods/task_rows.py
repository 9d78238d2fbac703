"""``task_*``, what is asked of stored rows: query, delete, count, follow."""

from collections.abc import Sequence

import msgspec

from protocol.conditions import Condition, OfAgent, OfType, newest_count
from protocol.errors import InvalidInput, PermissionDenied, RpcError
from protocol.methods.task import DeleteTask, QueryStats, QueryTask, SubscribeResults
from protocol.permissions import GLOBAL, Permission, Scope
from protocol.schemas import COUNT, FLAG, array, record
from protocol.stats import GROUP_SCHEMA, MOST_GROUPS, stats_form
from server.auth import Auth, Token, task_permission
from server.connection import make_subscription
from server.feeds import METHOD as SUBSCRIBE
from server.feeds import Feed, Feeds
from server.grants import Grant
from server.methods.interface import Exchange, Method, json_text, unsubscribing
from server.rows import ROW_SCHEMA, row_text
from server.running import RunningTasks
from server.store.interface import DeleteTasks, Store
from server.writer import Writer

UNSUBSCRIBE = "task_unsubscribe_results"
_DELETED_AT_ONCE = 5_000

# What reading or deleting without a ``type`` condition needs; self_update is not among them, as in a stock server.
_UNTYPED = (
    "ping",
    "tcp_ping",
    "http_ping",
    "http_request",
    "web_shell",
    "execute",
    "read_config",
    "edit_config",
    "ip",
    "version",
    "dns",
)


class RowMethods:
    """The methods that look at rows."""

    def __init__(self, *, auth: Auth, running: RunningTasks, store: Store, writer: Writer, feeds: Feeds) -> None:
        self._auth = auth
        self._running = running
        self._store = store
        self._writer = writer
        self._feeds = feeds

    def methods(self) -> list[Method]:
        """All of them."""
        return [
            *map(self._querying, ("task_query_task", "task_query")),
            *map(self._deleting, ("task_delete_task", "task_delete")),
            Method(
                name="task_stats",
                summary="Count rows by outcome, with percentiles of latency, by group and time bucket (ours).",
                params=QueryStats,
                result=array(GROUP_SCHEMA),
                call=self._stats,
            ),
            Method(
                name=SUBSCRIBE,
                summary="Subscribe to every stored result that matches (ours).",
                params=SubscribeResults,
                result=COUNT,
                call=self._subscribe_results,
                subscribes=True,
            ),
            unsubscribing(UNSUBSCRIBE),
        ]

    def _querying(self, name: str) -> Method:
        summary = "Show rows that match: the oldest 1,000, or the newest of a limit."
        return Method(name=name, summary=summary, params=QueryTask, result=array(ROW_SCHEMA), call=self._query)

    def _deleting(self, name: str) -> Method:
        result = record({"success": FLAG, "deleted": COUNT, "condition_count": COUNT})
        return Method(name=name, summary="Delete rows that match.", params=DeleteTask, result=result, call=self._delete)

    async def _subscribe_results(self, params: SubscribeResults, exchange: Exchange) -> bytes:
        connection = exchange.need_connection()
        conditions = params.task_data_query.condition
        if newest_count(conditions) is not None:
            raise InvalidInput("a subscription has no limit; leave out limit and last")
        token = await self._may_see(params.token, conditions, "read")
        connection.need_room()
        feed = Feed(
            subscription=make_subscription(),
            conditions=conditions,
            detail=params.task_data_query.detail,
            send=connection.send,
            cut_off=connection.hang_up,
            feeds=self._feeds,
            store=self._store,
        )
        grant = Grant(
            what=f"feed of results {feed.subscription}",
            credential=params.token,
            holds=lambda token: self._auth.allows(token, *_needed(conditions, "read")),
            valid_to_ms=token.row.valid_to_ms,
            revoke=lambda: connection.hang_up("the token no longer permits task:read"),
        )
        exchange.after_reply.append(lambda: connection.follow(feed, grant))
        return json_text(feed.subscription)

    async def _query(self, params: QueryTask, _exchange: Exchange) -> bytes:
        query = params.task_data_query
        await self._may_see(params.token, query.condition, "read")
        rows = await self._store.select(query.condition)
        return b"[" + b",".join(row_text(row, detail=query.detail) for row in rows) + b"]"

    async def _stats(self, params: QueryStats, _exchange: Exchange) -> bytes:
        query = params.task_stats_query
        if newest_count(query.condition) is not None:
            raise InvalidInput("statistics have no limit; leave out limit and last")
        await self._may_see(params.token, query.condition, "read")
        groups = await self._store.stats(query.condition, query.by)
        if len(groups) > MOST_GROUPS:
            raise InvalidInput(f"more than {MOST_GROUPS} groups; narrow the conditions, or widen bucket_ms")
        return json_text([stats_form(group, query.by) for group in groups])

    async def _delete(self, params: DeleteTask, _exchange: Exchange) -> bytes:
        await self._may_see(params.token, params.conditions, "delete")
        deleted = await self._delete_in_parts(params.conditions)
        return json_text({"success": True, "deleted": deleted, "condition_count": len(params.conditions)})

    async def _delete_in_parts(self, conditions: Sequence[Condition]) -> int:
        """How many rows were deleted: in parts, between which others write."""
        total = 0
        while True:
            deleted: int
            deleted, were_running = await self._writer.write(DeleteTasks(conditions, _DELETED_AT_ONCE))
            for id_ in were_running:
                self._running.take(id_)
            total += deleted
            if deleted < _DELETED_AT_ONCE or newest_count(conditions) is not None:
                return total

    async def _may_see(self, credential: str, conditions: Sequence[Condition], operation: str) -> Token:
        """The methods that use this alone repeat their error as a JSON string in ``data``."""
        try:
            token = await self._auth.verify(credential)
            if not self._auth.allows(token, *_needed(conditions, operation)):
                raise PermissionDenied(
                    f"Permission Denied: Insufficient permissions to {operation} requested task types"
                )
        except RpcError as e:
            e.data = msgspec.json.encode({"error_id": e.code, "error_message": e.message}).decode()
            raise
        return token


def _needed(conditions: Sequence[Condition], operation: str) -> tuple[list[Scope], list[Permission]]:
    """What reading or deleting rows that match needs."""
    scopes = [Scope("agent_uuid", c.uuid) for c in conditions if isinstance(c, OfAgent)] or [GLOBAL]
    names = [c.name for c in conditions if isinstance(c, OfType)] or _UNTYPED
    return scopes, [task_permission(operation, name) for name in names]
