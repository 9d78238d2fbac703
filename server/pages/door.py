"""
aiohttp's door to the pages: who asks, which page, in which language and colours, with which headers.

Without a session everybody sees who the server is and where to log in; where the pages are public, also the jobs.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from protocol.errors import RpcError, StoreFailed
from protocol.permissions import Permission
from server.auth import Auth
from server.grants import Grant, Grants
from server.pages.content import Content, Look, Painter, Sources
from server.pages.cookies import LANGUAGE, SESSION, THEME, THEMES, theme_of
from server.pages.job import find_job, job_page
from server.pages.latencies import chart
from server.pages.lists import agents_page, gaps_page
from server.pages.live import difference, follow
from server.pages.logins import LIFETIME_S, Logins, Session
from server.pages.overview import overview
from server.pages.rendering import STATIC
from server.pages.requests import is_own_page, read_form, way_back
from server.pages.sight import Sight
from server.pages.texts import LANGUAGES, choose
from server.rejections import Rejections

log = structlog.get_logger()

LIVE = "/-/live"
_HOME = ("/", "/nodeget/rpc")
_JOBS = "/jobs/"
_GOODBYE_S = 0.5
_MOST_WAITING = 100
"""Rejected logins that wait for their answer, of all addresses; the next one is answered at once."""
_YEAR_S = 365 * 86_400
_CRONTAB_READ = Permission("crontab", "read")
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Pages:
    """All pages. ``is_public`` lets anybody see jobs, without what only a token's holder may know."""

    def __init__(
        self,
        *,
        sources: Sources,
        auth: Auth,
        logins: Logins,
        grants: Grants,
        rejections: Rejections,
        server_uuid: str,
        is_public: bool,
    ) -> None:
        self._sources = sources
        self._auth = auth
        self._logins = logins
        self._grants = grants
        self._rejections = rejections
        self._server_uuid = server_uuid
        self._is_public = is_public
        self._waiting = 0
        self._forms: Mapping[str, Callable[[web.Request, dict[str, str]], Awaitable[web.Response]]] = {
            "/-/login": self._log_in,
            "/-/logout": self._log_out,
            "/-/settings": self._settle,
        }

    async def get(self, request: web.Request) -> web.Response | None:
        """The page at the request's path, ``None`` when there is none."""
        path = request.path
        if path.startswith(STATIC):
            return self._linked(path)
        if path not in (*_HOME, "/agents", "/gaps", "/-/latency") and not path.startswith(_JOBS):
            return None
        session = await self._logins.find(request.cookies.get(SESSION))
        look = self._look(request, session, request.query)
        if look is None or (session is None and path in ("/agents", "/gaps")):
            return self._landing(request, 200 if path in _HOME else 401)
        try:
            if path == "/-/latency":
                return await self._latency(look)
            content = await self._content(path, look)
        except StoreFailed as e:
            log.warning("page not shown", path=path, why=str(e))
            return self._page(request, look, _problem(look.texts.no_store), session, 503)
        except RpcError as e:
            return self._page(request, look, _problem(e.message), session, 403)
        if content is None:
            return self._page(request, look, _problem(look.texts.no_such_job), session, 404)
        return self._page(request, look, content, session)

    async def post(self, request: web.Request) -> web.Response | None:
        """The answer to one of the pages' forms, ``None`` when it is none of them."""
        answer = self._forms.get(request.path)
        form = None if answer is None else await read_form(request)
        if answer is None or form is None:
            return None
        if not is_own_page(request, must_say=False):
            return web.Response(text="a form of another site\n", status=403, headers=_HEADERS)
        return await answer(request, form)

    def _look(self, request: web.Request, session: Session | None, query: Mapping[str, str]) -> Look | None:
        if session is None and not self._is_public:
            return None
        texts = choose(request.cookies.get(LANGUAGE), request.headers.get("accept-language", ""))
        return Look(Sight(self._auth, None if session is None else session.token), texts, query)

    async def _content(self, path: str, look: Look) -> Content | None:
        if path in _HOME:
            return await overview(self._sources, look)
        if path == "/agents":
            return await agents_page(self._sources, look)
        if path == "/gaps":
            return await gaps_page(self._sources, look)
        job = find_job(self._sources, look, path.removeprefix(_JOBS))
        return None if job is None else await job_page(self._sources, look, job)

    async def _latency(self, look: Look) -> web.Response:
        job = find_job(self._sources, look, look.query.get("job", ""))
        if job is None:
            return web.Response(status=404, headers=_HEADERS)
        body = msgspec.json.encode(await chart(self._sources, look, job))
        return web.Response(body=body, content_type="application/json", headers=_HEADERS)

    def _linked(self, path: str) -> web.Response:
        linked = self._sources.rendering.linked.get(path)
        if linked is None:
            return web.Response(status=404, headers=_HEADERS)
        headers = {**_HEADERS, "cache-control": f"public, max-age={_YEAR_S}, immutable"}
        return web.Response(body=linked.body, content_type=linked.content_type, charset="utf-8", headers=headers)

    def _landing(self, request: web.Request, status: int, *, is_refused: bool = False) -> web.Response:
        content = Content(template="landing.html", title="cronprobe", values={"is_refused": is_refused}, parts={})
        texts = choose(request.cookies.get(LANGUAGE), request.headers.get("accept-language", ""))
        return self._page(request, Look(Sight(self._auth, None), texts, {}), content, None, status)

    def _page(
        self, request: web.Request, look: Look, content: Content, session: Session | None, status: int = 200
    ) -> web.Response:
        html = Painter(self._sources, look).render(
            content.template,
            title=content.title,
            parts=content.parts,
            listed=[content.parts[id_] for id_ in content.listed],
            seen=content.seen,
            is_live=bool(content.parts),
            theme=theme_of(request.cookies),
            themes=THEMES,
            languages=list(LANGUAGES.values()),
            here=way_back(request.path_qs if request.method != "POST" else "/"),
            path=request.path,
            is_logged_in=session is not None,
            is_public=self._is_public,
            server_uuid=self._server_uuid,
            version=version("cronprobe"),
            **content.values,
        )
        return web.Response(text=html, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)

    async def _log_in(self, request: web.Request, form: dict[str, str]) -> web.Response:
        try:
            session = await self._logins.open(form.get("credential", "").strip())
            Sight(self._auth, session.token).jobs(self._sources.jobs)
        except RpcError as e:
            return await self._reject(request, e.message)
        response = _see_other(way_back(form.get("back", "/")))
        _remember(request, response, SESSION, session.id, LIFETIME_S)
        return response

    async def _reject(self, request: web.Request, why: str) -> web.Response:
        """The answer to a wrong credential, which waits; not for ever more of them, nor in the room of calls."""
        address = request.remote or ""
        delay_s = self._rejections.delay_s(address)
        if self._waiting >= _MOST_WAITING:
            return self._landing(request, 429, is_refused=True)
        log.warning("login rejected", address=address, why=why)
        self._waiting += 1
        try:
            await asyncio.sleep(delay_s)
        finally:
            self._waiting -= 1
        return self._landing(request, 403, is_refused=True)

    async def _log_out(self, request: web.Request, _form: dict[str, str]) -> web.Response:
        self._logins.close(request.cookies.get(SESSION, ""))
        response = _see_other("/")
        response.del_cookie(SESSION, path="/")
        return response

    async def _settle(self, request: web.Request, form: dict[str, str]) -> web.Response:
        response = _see_other(way_back(form.get("back", "/")))
        for cookie, field, allowed in ((LANGUAGE, "language", LANGUAGES), (THEME, "theme", THEMES)):
            if form.get(field) in allowed:
                _remember(request, response, cookie, form[field], _YEAR_S)
        return response

    async def may_follow(self, request: web.Request) -> Session | bool:
        """Whether the request may keep a page up to date: the session that allows it, or ``True`` for anybody."""
        if not is_own_page(request, must_say=True):
            return False
        return await self._logins.find(request.cookies.get(SESSION)) or self._is_public

    async def follow(self, ws: web.WebSocketResponse, request: web.Request, allowed: Session | bool) -> None:
        """Keep the page that the query string names up to date until its WebSocket ends."""
        session = allowed if isinstance(allowed, Session) else None
        grant = None if session is None else self._grant(session, partial(_hang_up, ws))
        if grant is not None:
            self._grants.add(grant)
        try:
            async with asyncio.TaskGroup() as tasks:
                following = tasks.create_task(self._send_news(ws, request, session), name="page")
                async for _ in ws:
                    pass
                following.cancel()
        finally:
            if grant is not None:
                self._grants.discard(grant)

    def _grant(self, session: Session, hang_up: Callable[[], Awaitable[object]]) -> Grant:
        async def revoke() -> None:
            self._logins.close(session.id)
            await hang_up()

        return Grant(
            what="open page",
            credential=session.credential,
            holds=lambda token: self._auth.allows_somewhere(token, _CRONTAB_READ),
            valid_to_ms=session.token.row.valid_to_ms,
            revoke=revoke,
        )

    async def _send_news(self, ws: web.WebSocketResponse, request: web.Request, session: Session | None) -> None:
        query = {name: value for name, value in request.query.items() if name not in ("path", "seen")}
        path = request.query.get("path", "/")

        async def make() -> Content | None:
            known = None if session is None else await self._logins.find(session.id)
            look = None if session is not None and known is None else self._look(request, known, query)
            return None if look is None else await self._content(path, look)

        async def send(message: bytes) -> None:
            await ws.send_frame(message, WSMsgType.TEXT)

        try:
            content = await make()
            if content is not None:
                if str(content.seen) != request.query.get("seen"):
                    await send(msgspec.json.encode(difference(None, content)))
                await follow(self._sources.history, content, make, send)
            await _hang_up(ws)
        except StoreFailed:
            await ws.close(code=WSCloseCode.TRY_AGAIN_LATER)
        except RpcError:
            await _hang_up(ws)
        except ConnectionError:
            log.debug("browser left before its news")


async def _hang_up(ws: web.WebSocketResponse) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE_S):
            await ws.close(code=WSCloseCode.POLICY_VIOLATION, message=b"log in again")


def _problem(text: str) -> Content:
    return Content(template="problem.html", title="cronprobe", values={"problem": text}, parts={})


def _see_other(path: str) -> web.Response:
    return web.Response(status=303, headers={**_HEADERS, "location": path})


def _remember(request: web.Request, response: web.Response, name: str, value: str, lasts_s: float) -> None:
    is_secure = request.secure or request.headers.get("x-forwarded-proto") == "https"
    response.set_cookie(name, value, max_age=int(lasts_s), path="/", httponly=True, samesite="Strict", secure=is_secure)
