"""``task_*``: create, dispatch, upload, query and delete tasks."""

import secrets
from collections.abc import Callable, Sequence

import msgspec
import structlog

from protocol.conditions import Condition, OfAgent, OfType, newest_count
from protocol.errors import CredentialMalformed, InternalFailure, InvalidInput, PermissionDenied, RpcError
from protocol.events import response_text
from protocol.methods.task import (
    CreateBatch,
    Created,
    CreateTask,
    CreateTaskBlocking,
    DeleteTask,
    NewTask,
    QueryTask,
    RegisterTask,
    SubscribeResults,
    Unsubscribe,
    UploadTaskResult,
    read_unsubscribe,
    read_upload_params,
)
from protocol.permissions import GLOBAL, Permission, Scope
from server.auth import Auth, Token, task_permission
from server.connection import Connection
from server.feeds import METHOD as SUBSCRIBE
from server.feeds import Feed, Feeds
from server.grants import Grant
from server.methods.interface import Answer, Exchange, Method, json_text
from server.rejections import Rejections
from server.results import MayWrite, Results
from server.rows import row_text
from server.running import RunningTask, RunningTasks
from server.series import refuse
from server.sessions import Session, Sessions
from server.store.interface import DeleteTasks, Store
from server.tasks import Tasks
from server.writer import Writer

log = structlog.get_logger()

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
_DELETED_AT_ONCE = 5_000
UNSUBSCRIBE = "task_unsubscribe_results"
_DENIED = "Permission Denied: "


class TaskMethods:
    """The methods of this namespace, each as the protocol orders its steps."""

    def __init__(
        self,
        *,
        auth: Auth,
        tasks: Tasks,
        results: Results,
        sessions: Sessions,
        running: RunningTasks,
        store: Store,
        writer: Writer,
        outbox_size: int,
        on_sent: Callable[[Sequence[RunningTask]], None],
        feeds: Feeds,
        rejections: Rejections,
    ) -> None:
        self._auth = auth
        self._feeds = feeds
        self._rejections = rejections
        self._tasks = tasks
        self._results = results
        self._sessions = sessions
        self._running = running
        self._store = store
        self._writer = writer
        self._outbox_size = outbox_size
        self._on_sent = on_sent

    def methods(self) -> list[Method]:
        """All of them."""
        query = [Method(name=name, params=QueryTask, call=self._query) for name in ("task_query_task", "task_query")]
        delete = [Method(name=n, params=DeleteTask, call=self._delete) for n in ("task_delete_task", "task_delete")]
        return [
            Method(name="task_create_task", params=CreateTask, call=self._create),
            Method(name="task_create_task_blocking", params=CreateTaskBlocking, call=self._create_blocking),
            Method(name="task_create_batch", params=CreateBatch, call=self._create_batch),
            Method(name="task_register_task", params=RegisterTask, call=self._register, subscribes=True),
            Method(name="task_unregister_task", params=Unsubscribe, read=read_unsubscribe, call=self._unsubscribe),
            Method(name=SUBSCRIBE, params=SubscribeResults, call=self._subscribe_results, subscribes=True),
            Method(name=UNSUBSCRIBE, params=Unsubscribe, read=read_unsubscribe, call=self._unsubscribe),
            Method(
                name="task_upload_task_result",
                params=UploadTaskResult,
                read_many=read_upload_params,
                call=self._upload,
                call_many=self._upload_many,
            ),
            *query,
            *delete,
        ]

    async def _create(self, params: CreateTask, _exchange: Exchange) -> bytes:
        refuse(params.task_type)
        name = params.task_type.name
        token = await self._auth.verify(params.token)
        if not self._auth.allows_task(token, params.target_uuid, task_permission("create", name)):
            raise PermissionDenied(f"{_DENIED}Missing Task Create ({name}) permission for this Agent")
        return json_text({"id": await self._tasks.create(params.target_uuid, params.task_type)})

    async def _create_blocking(self, params: CreateTaskBlocking, _exchange: Exchange) -> bytes:
        refuse(params.task_type)
        name = params.task_type.name
        needed = (task_permission("create", name), task_permission("read", name))
        token = await self._auth.verify(params.token)
        if not self._auth.allows_task(token, params.target_uuid, *needed):
            raise PermissionDenied(f"{_DENIED}Missing Task Create or Read ({name}) permission for this Agent")
        response = await self._tasks.create_blocking(params.target_uuid, params.task_type, params.timeout_ms)
        return response_text(response)

    async def _create_batch(self, params: CreateBatch, _exchange: Exchange) -> bytes:
        token = await self._auth.verify(params.token)
        allowed: dict[tuple[str, str], bool] = {}
        answers: list[Created | None] = []
        for new in params.tasks:
            name = _type_name(new)
            key = (new.target_uuid, name)
            if key not in allowed:
                allowed[key] = self._auth.allows_task(token, new.target_uuid, task_permission("create", name))
            denied = f"Permission denied: {_DENIED}Missing Task Create ({name}) permission for this Agent"
            answers.append(None if allowed[key] else Created(code=PermissionDenied.code, error=denied))
        permitted = [new for new, answer in zip(params.tasks, answers, strict=True) if answer is None]
        created = iter(await self._tasks.create_tasks(permitted))
        return json_text([next(created) if answer is None else answer for answer in answers])

    async def _register(self, params: RegisterTask, exchange: Exchange) -> bytes:
        connection = _connection(exchange)
        try:
            token = await self._may_listen(params)
            connection.need_room()
        except RpcError as e:
            delay_s = self._rejections.delay_s(connection.address)
            log.warning("registration rejected", agent=params.uuid, address=connection.address, why=e.message)
            await connection.wait_closed(delay_s)
            raise
        session = Session(
            agent_uuid=params.uuid,
            subscription=_subscription(),
            client=params.client,
            connection=connection,
            send=connection.send,
            outbox_size=self._outbox_size,
            on_sent=self._on_sent,
        )
        grant = Grant(
            what=f"registration of agent {params.uuid}",
            credential=params.token,
            holds=lambda token: self._auth.allows_task(token, params.uuid, task_permission("listen")),
            valid_to_ms=token.row.valid_to_ms,
            revoke=lambda: connection.hang_up("the token no longer permits task:listen"),
        )
        exchange.after_reply.append(lambda: connection.register(session, grant))
        return json_text(session.subscription)

    async def _may_listen(self, params: RegisterTask) -> Token:
        try:
            token = await self._auth.verify(params.token)
        except CredentialMalformed as e:
            e.message = "Token Parse Error"
            raise
        if not self._auth.allows_task(token, params.uuid, task_permission("listen")):
            refused = PermissionDenied("")
            refused.message = f"{_DENIED}Missing Task Listen permission for this Agent"
            raise refused
        return token

    async def _subscribe_results(self, params: SubscribeResults, exchange: Exchange) -> bytes:
        connection = _connection(exchange)
        conditions = params.task_data_query.condition
        if newest_count(conditions) is not None:
            raise InvalidInput("a subscription has no limit; leave out limit and last")
        token = await self._may_see(params.token, conditions, "read")
        connection.need_room()
        feed = Feed(
            subscription=_subscription(),
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

    async def _unsubscribe(self, subscription: int | None, exchange: Exchange) -> bytes:
        return json_text(_connection(exchange).unsubscribe(subscription))

    async def _upload(self, params: UploadTaskResult, _exchange: Exchange) -> bytes:
        [answer] = await self._upload_many([params])
        if isinstance(answer, RpcError):
            raise answer
        return answer

    async def _upload_many(self, calls: Sequence[UploadTaskResult]) -> list[Answer]:
        answers: list[Answer | None] = [None] * len(calls)
        places_of: dict[str, list[int]] = {}
        for place, call in enumerate(calls):
            places_of.setdefault(call.token, []).append(place)
        for credential, places in places_of.items():
            try:
                token = await self._auth.verify(credential)
            except RpcError as e:
                if isinstance(e, PermissionDenied):
                    e = PermissionDenied(e.message)
                for place in places:
                    answers[place] = e
                continue
            ended = await self._results.upload([calls[p].task_response for p in places], self._may_write(token))
            for place, end in zip(places, ended, strict=True):
                answers[place] = end if isinstance(end, RpcError) else b'{"id":%d}' % end
        return [answer for answer in answers if answer is not None]

    def _may_write(self, token: Token) -> MayWrite:
        """A check that looks at each (agent, type) once a frame."""
        known: dict[tuple[str, str | None], bool] = {}

        def may_write(agent_uuid: str, name: str | None) -> bool:
            key = (agent_uuid, name)
            if key not in known:
                known[key] = (
                    self._auth.allows_some_write(token, agent_uuid)
                    if name is None
                    else self._auth.allows_task(token, agent_uuid, task_permission("write", name))
                )
            return known[key]

        return may_write

    async def _query(self, params: QueryTask, _exchange: Exchange) -> bytes:
        query = params.task_data_query
        await self._may_see(params.token, query.condition, "read")
        rows = await self._store.select(query.condition)
        return b"[" + b",".join(row_text(row, detail=query.detail) for row in rows) + b"]"

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
                raise PermissionDenied(f"{_DENIED}Insufficient permissions to {operation} requested task types")
        except RpcError as e:
            e.data = msgspec.json.encode({"error_id": e.code, "error_message": e.message}).decode()
            raise
        return token


def _needed(conditions: Sequence[Condition], operation: str) -> tuple[list[Scope], list[Permission]]:
    """What reading or deleting rows that match needs."""
    scopes = [Scope("agent_uuid", c.uuid) for c in conditions if isinstance(c, OfAgent)] or [GLOBAL]
    names = [c.name for c in conditions if isinstance(c, OfType)] or _UNTYPED
    return scopes, [task_permission(operation, name) for name in names]


def _subscription() -> int:
    """A number that JavaScript takes for an integer."""
    return secrets.randbelow(2**53)


def _connection(exchange: Exchange) -> Connection:
    """Subscriptions need a WebSocket."""
    if exchange.connection is None:
        raise InternalFailure
    return exchange.connection


def _type_name(new: NewTask) -> str:
    """The type's name without a full look at the task: that is taken once, when its series is new."""
    text = bytes(new.task_type)
    start = text.find(b'"') + 1
    return text[start : text.find(b'"', start)].decode(errors="replace")
