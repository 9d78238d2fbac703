"""
Who may do what: the tokens and their limits, all in memory.

``verify`` turns a credential into a token, the ``allows`` methods say what that token may do now. A verified credential
is remembered by its hash, so that an upload costs no derivation; every change of a token forgets all of them and tells
who listens. The root token bypasses every check.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec
import structlog
from msgspec import Struct

from protocol.errors import InvalidInput, NotFound, PermissionDenied, StartError, StoreFailed
from protocol.methods.token import TokenCreation
from protocol.permissions import Limit, Permission, Scope, allows, limit_form, read_stored_limits
from server.credentials import (
    Credential,
    hash_password,
    hash_secret,
    is_password,
    is_secret,
    make_credential,
    make_secret,
    split_credential,
)
from server.store.interface import DeleteToken, PutToken, TokenRow
from server.writer import Writer

log = structlog.get_logger()

ROOT_ID = 1
ROOT_NAME = "root"
_UNKNOWN = "Invalid credentials"
_MOST_NAME_LENGTH = 128
_LEAST_PASSWORD_BYTES = 6


class Token(Struct, frozen=True):
    """A token's record with its limits read."""

    row: TokenRow
    limits: tuple[Limit, ...]

    @property
    def is_root(self) -> bool:
        """Whether no check applies."""
        return self.row.id == ROOT_ID

    def is_valid(self, now_ms: int) -> bool:
        """Whether ``now_ms`` is in the token's time window, both ends included."""
        return not self.is_early(now_ms) and not self.is_expired(now_ms)

    def is_early(self, now_ms: int) -> bool:
        """Whether the window has not begun."""
        return self.row.valid_from_ms is not None and now_ms < self.row.valid_from_ms

    def is_expired(self, now_ms: int) -> bool:
        """Whether the window is over."""
        return self.row.valid_to_ms is not None and now_ms > self.row.valid_to_ms

    def form(self) -> dict[str, object]:
        """The record as callers see it: never a hash."""
        return {
            "version": 1,
            "token_key": self.row.key,
            "timestamp_from": self.row.valid_from_ms,
            "timestamp_to": self.row.valid_to_ms,
            "token_limit": [limit_form(limit) for limit in self.limits],
            "username": self.row.username,
        }


class Auth:
    """The tokens. ``keep_root`` is called with every new root credential before it holds."""

    def __init__(self, *, writer: Writer, now_ms: Callable[[], int], keep_root: Callable[[Credential], None]) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._keep_root = keep_root
        self._tokens: dict[int, Token] = {}
        self._by_name: dict[str, Token] = {}
        self._verified: dict[bytes, Token] = {}
        self._changing = asyncio.Lock()
        self._deriving = asyncio.Lock()
        self._listeners: list[Callable[[], None]] = []

    def load(self, rows: Iterable[TokenRow]) -> None:
        """Take over what the store knows."""
        for row in rows:
            self._remember(row)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` whenever a token was changed or deleted."""
        self._listeners.append(listener)

    def _remember(self, row: TokenRow) -> None:
        limits, dropped = read_stored_limits(row.limits.encode())
        if dropped:
            log.warning("unknown permissions of a token dropped", token_key=row.key, permissions=dropped)
        self._tokens[row.id] = Token(row, limits)
        self._changed()

    def _changed(self) -> None:
        self._by_name = {
            name: token
            for token in self._tokens.values()
            for name in (token.row.username, token.row.key)
            if name is not None
        }
        self._verified.clear()
        for listener in self._listeners:
            listener()

    def all(self) -> list[Token]:
        """Every token."""
        return list(self._tokens.values())

    def find(self, name: str) -> Token | None:
        """The token with this key or username."""
        return self._by_name.get(name)

    async def verify(self, credential: str) -> Token:
        """
        The token that the credential proves; its time window is not looked at.

        Raises:
            CredentialMalformed: it has neither form.
            PermissionDenied: nobody has it.
        """
        digest = hashlib.sha256(credential.encode()).digest()
        known = self._verified.get(digest)
        if known is not None:
            return known
        kind, name, secret = split_credential(credential)
        token = self.find(name)
        if kind == "key":
            is_proven = is_secret(secret, token.row.secret_hash if token is not None and token.row.key == name else "")
        else:
            is_proven = await self._is_password(name, secret, token)
        if token is None or not is_proven:
            raise PermissionDenied(_UNKNOWN)
        self._verified[digest] = token
        return token

    async def _is_password(self, username: str, password: str, token: Token | None) -> bool:
        """One derivation at a time, on a thread: guessing takes one core at most, and never the event loop's."""
        stored = token.row.password_hash if token is not None and token.row.username == username else None
        async with self._deriving:
            is_right = await asyncio.to_thread(is_password, password, stored)
        return is_right and token is self.find(username)  # unless it was changed meanwhile

    def allows(self, token: Token, scopes: Sequence[Scope], permissions: Sequence[Permission]) -> bool:
        """Whether the token may do all of ``permissions`` in all of ``scopes``, now."""
        return token.is_root or (token.is_valid(self._now_ms()) and allows(token.limits, scopes, permissions))

    def allows_task(self, token: Token, agent_uuid: str, *permissions: Permission) -> bool:
        """``allows`` for one agent."""
        return self.allows(token, [Scope("agent_uuid", agent_uuid)], permissions)

    def allows_somewhere(self, token: Token, permission: Permission) -> bool:
        """Whether the token may do this in any scope at all, now."""
        anywhere = any(allows([limit], limit.scopes[:1], [permission]) for limit in token.limits if limit.scopes)
        return token.is_root or (token.is_valid(self._now_ms()) and anywhere)

    def allows_some_write(self, token: Token, agent_uuid: str) -> bool:
        """Whether the token may write results of any task type at all for this agent, now."""
        scope = [Scope("agent_uuid", agent_uuid)]
        writes = ((limit, p) for limit in token.limits for p in limit.permissions if _is_task_write(p))
        some = any(allows([limit], scope, [permission]) for limit, permission in writes)
        return token.is_root or (token.is_valid(self._now_ms()) and some)

    def need_window(self, token: Token) -> None:
        """
        Refuse a token outside its time window, in the words of the methods that say so.

        Raises:
            PermissionDenied: it is too early or too late for it.
        """
        now = self._now_ms()
        if not token.is_root and token.is_early(now):
            raise PermissionDenied("Token is not yet valid")
        if not token.is_root and token.is_expired(now):
            raise PermissionDenied("Token has expired")

    async def create(self, creation: TokenCreation) -> Credential:
        """
        Make a token and store it; the secret is known to the caller alone.

        Raises:
            InvalidInput: username and password can be no credential.
            StoreFailed: it was not made; the username may be taken.
        """
        credential = make_credential()
        username, password_hash = creation.username, None
        if username is not None and creation.password is not None:
            _refuse_credential(username, creation.password)
            password_hash = await self._hash(creation.password)
        async with self._changing:
            if username is not None and self.find(username) is not None:
                raise StoreFailed(f"UNIQUE constraint failed: a token with the name {username!r} exists")
            window = (creation.timestamp_from, creation.timestamp_to)
            limits = _limits_text(creation.token_limit)
            secret_hash = hash_secret(credential.secret)
            await self._put(TokenRow(0, credential.key, secret_hash, *window, limits, username, password_hash))
        return credential

    async def edit(self, token: Token, limits: Sequence[Limit]) -> None:
        """
        Give the token other limits.

        Raises:
            InvalidInput: it is the root token, which has none.
            NotFound: it was deleted meanwhile.
            StoreFailed: nothing changed.
        """
        if token.is_root:
            raise InvalidInput("the root token has no limits")
        await self._change(token, lambda row: row._replace(limits=_limits_text(limits)))

    async def roll(self, token: Token) -> Credential:
        """
        Give the token a new secret; the old one stops working at once.

        Raises:
            NotFound: it was deleted meanwhile.
            StoreFailed: nothing changed.
        """
        credential = Credential(token.row.key, make_secret())
        await self._change(token, lambda row: row._replace(secret_hash=hash_secret(credential.secret)))
        if token.is_root:
            try:
                self._keep_root(credential)
            except StartError as e:
                log.error("the root token's file still has the old one", why=str(e))
        return credential

    async def change_password(self, token: Token, password: str) -> None:
        """
        Give the token another password; the old one stops working at once.

        Raises:
            InvalidInput: it has no username to go with it.
            NotFound: it was deleted meanwhile.
            StoreFailed: nothing changed.
        """
        if token.row.username is None:
            raise InvalidInput("the token has no username that a password could go with")
        _refuse_credential(token.row.username, password)
        password_hash = await self._hash(password)
        await self._change(token, lambda row: row._replace(password_hash=password_hash))

    async def set_root(self, credential: Credential) -> None:
        """
        Make this credential the root token's; a password it had is gone.

        Raises:
            StoreFailed: nothing changed.
        """
        self._keep_root(credential)
        row = TokenRow(ROOT_ID, credential.key, hash_secret(credential.secret), None, None, "[]", ROOT_NAME, None)
        await self._put(row)

    def has_root(self, credential: Credential | None = None) -> bool:
        """Whether there is a root token, and if given, whether it is this one."""
        root = self._tokens.get(ROOT_ID)
        if root is None or credential is None:
            return root is not None
        return root.row.key == credential.key and is_secret(credential.secret, root.row.secret_hash)

    async def delete(self, token: Token) -> None:
        """
        Delete the token: it stops working at once.

        Raises:
            StoreFailed: nothing changed.
        """
        async with self._changing:
            await self._writer.write(DeleteToken(token.row.id))
            self._tokens.pop(token.row.id, None)
            self._changed()

    async def _change(self, token: Token, change: Callable[[TokenRow], TokenRow]) -> None:
        """One change after another, each of the record as it then is: a deleted token must not come back."""
        async with self._changing:
            current = self._tokens.get(token.row.id)
            if current is None:
                raise NotFound(f"Token not found by key/username: {token.row.key}")
            await self._put(change(current.row))

    async def _put(self, row: TokenRow) -> None:
        id_ = await self._writer.write(PutToken(row))
        self._remember(row._replace(id=id_))

    async def _hash(self, password: str) -> str:
        async with self._deriving:
            return await asyncio.to_thread(hash_password, password)


def _limits_text(limits: Sequence[Limit]) -> str:
    return msgspec.json.encode([limit_form(limit) for limit in limits]).decode()


def _refuse_credential(username: str, password: str) -> None:
    """A name and password that no credential string could carry: the first colon makes it a key and its secret."""
    if not 0 < len(username) <= _MOST_NAME_LENGTH or not username.isprintable() or username != username.strip():
        raise InvalidInput(
            f"username must have 1 to {_MOST_NAME_LENGTH} printable characters, and no blank around them"
        )
    if "|" in username or ":" in username:
        raise InvalidInput("username must have neither ':' nor '|'")
    if len(password.encode()) < _LEAST_PASSWORD_BYTES:
        raise InvalidInput(f"password must be at least {_LEAST_PASSWORD_BYTES} characters long")
    if ":" in password:
        raise InvalidInput("password must not have ':', which would make the credential a key and its secret")


def _is_task_write(permission: Permission) -> bool:
    return (permission.area, permission.operation) == ("task", "write")


def task_permission(operation: str, type_name: str | None = None) -> Permission:
    """A permission of the task area."""
    return Permission("task", operation, type_name)
