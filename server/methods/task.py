"""``task_*``, the way of a task: create, dispatch, upload. What is asked of stored rows is in ``task_rows``."""

from collections.abc import Callable, Sequence

import structlog

from protocol.errors import CredentialMalformed, PermissionDenied, RpcError
from protocol.events import RESPONSE_SCHEMA, response_text
from protocol.methods.task import (
    CreateBatch,
    Created,
    CreateTask,
    CreateTaskBlocking,
    NewTask,
    RegisterTask,
    UploadTaskResult,
    read_upload_params,
)
from protocol.schemas import COUNT, array, record
from server.auth import Auth, Token, task_permission
from server.connection import make_subscription
from server.grants import Grant
from server.methods.interface import Answer, Exchange, Method, json_text, unsubscribing
from server.rejections import Rejections
from server.results import MayWrite, Results
from server.running import RunningTask
from server.series import refuse
from server.sessions import Session
from server.tasks import Tasks

log = structlog.get_logger()

_ID = record({"id": COUNT})
_DENIED = "Permission Denied: "


class TaskMethods:
    """The methods of this namespace, each as the protocol orders its steps."""

    def __init__(
        self,
        *,
        auth: Auth,
        tasks: Tasks,
        results: Results,
        outbox_size: int,
        on_sent: Callable[[Sequence[RunningTask]], None],
        rejections: Rejections,
    ) -> None:
        self._auth = auth
        self._rejections = rejections
        self._tasks = tasks
        self._results = results
        self._outbox_size = outbox_size
        self._on_sent = on_sent

    def methods(self) -> list[Method]:
        """All of them."""
        return [
            Method(
                name="task_create_task",
                summary="Create one task; the agent must be connected.",
                params=CreateTask,
                result=_ID,
                call=self._create,
            ),
            Method(
                name="task_create_task_blocking",
                summary="Create one task and wait for its response.",
                params=CreateTaskBlocking,
                result=RESPONSE_SCHEMA,
                call=self._create_blocking,
            ),
            Method(
                name="task_create_batch",
                summary="Create the tasks of a beat in one commit; the same again creates nothing (ours).",
                params=CreateBatch,
                result=array(Created),
                call=self._create_batch,
            ),
            Method(
                name="task_register_task",
                summary="Subscribe an agent to its tasks.",
                params=RegisterTask,
                result=COUNT,
                call=self._register,
                subscribes=True,
            ),
            unsubscribing("task_unregister_task"),
            Method(
                name="task_upload_task_result",
                summary="Upload a result; the first one of a task wins.",
                params=UploadTaskResult,
                result=_ID,
                read_many=read_upload_params,
                call=self._upload,
                call_many=self._upload_many,
            ),
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
        connection = exchange.need_connection()
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
            subscription=make_subscription(),
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


def _type_name(new: NewTask) -> str:
    """The type's name without a full look at the task: that is taken once, when its series is new."""
    text = bytes(new.task_type)
    start = text.find(b'"') + 1
    return text[start : text.find(b'"', start)].decode(errors="replace")
