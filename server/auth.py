"""
Who may do what: credentials, tokens and their limits, all in memory and checked in constant time.

A verified credential is remembered by its hash, so that an upload costs no derivation; every change of a token
forgets all of them. The root token bypasses every check.
"""

import hashlib
import secrets
import string
from collections.abc import Callable, Iterable, Sequence
from hmac import compare_digest
from typing import Annotated

import msgspec
from msgspec import Struct

from protocol.errors import CredentialMalformed, PermissionDenied
from protocol.methods.token import TokenCreation
from protocol.permissions import Limit, Permission, Scope, allows, limit_form, read_limit
from protocol.reading import elements
from server.store.interface import DeleteToken, PutToken, TokenRow
from server.writer import Writer

ROOT_ID = 1
ROOT_NAME = "root"
_ALPHABET = string.ascii_letters + string.digits
_MALFORMED = "Failed to parse token: Invalid token format: must be 'key:secret' or 'username|password'"
_UNKNOWN = "Invalid credentials"


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
        row = self.row
        return (row.valid_from_ms is None or row.valid_from_ms <= now_ms) and (
            row.valid_to_ms is None or now_ms <= row.valid_to_ms
        )

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


class Credential(Struct, frozen=True):
    """A new token's two halves, shown once."""

    key: str
    secret: str

    def __str__(self) -> str:
        return f"{self.key}:{self.secret}"


_Kind = Annotated[str, "key or username"]


def split_credential(text: str) -> tuple[_Kind, str, str]:
    """
    (``key`` or ``username``, name, secret or password) of a credential; the first colon wins over any bar.

    Raises:
        CredentialMalformed: it has neither.
    """
    for kind, separator in (("key", ":"), ("username", "|")):
        name, found, secret = text.partition(separator)
        if found:
            return kind, name, secret
    raise CredentialMalformed(_MALFORMED)


def make_credential() -> Credential:
    """A random key of 16 and secret of 32 characters."""
    return Credential(*("".join(secrets.choice(_ALPHABET) for _ in range(length)) for length in (16, 32)))


def hash_secret(secret: str) -> str:
    """The stored form of a secret of 32 random characters, which needs no stretching."""
    return hashlib.sha256(b"NODEGET" + secret.encode()).hexdigest()


class Auth:
    """The tokens."""

    def __init__(self, *, writer: Writer, now_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._now_ms = now_ms
        self._tokens: dict[int, Token] = {}
        self._verified: dict[bytes, Token] = {}

    def load(self, rows: Iterable[TokenRow]) -> None:
        """Take over what the store knows."""
        for row in rows:
            self._remember(row)

    def _remember(self, row: TokenRow) -> None:
        self._tokens[row.id] = Token(row, tuple(read_limit(text) for text in elements(row.limits.encode())))
        self._verified.clear()

    def all(self) -> list[Token]:
        """Every token."""
        return list(self._tokens.values())

    def verify(self, credential: str) -> Token:
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
        token = self.find(name) if kind == "key" else None
        if token is not None and token.row.key != name:
            token = None  # found by its username, which goes with a password
        expected = token.row.secret_hash if token else ""
        if not compare_digest(hash_secret(secret), expected) or token is None:
            raise PermissionDenied(_UNKNOWN)
        self._verified[digest] = token
        return token

    def find(self, name: str) -> Token | None:
        """The token with this key or username."""
        return next((token for token in self._tokens.values() if name in (token.row.key, token.row.username)), None)

    def allows(self, credential: str, scopes: Sequence[Scope], permissions: Sequence[Permission]) -> bool:
        """
        Whether the credential may do all of ``permissions`` in all of ``scopes``, now.

        Raises:
            CredentialMalformed, PermissionDenied: as in ``verify``.
        """
        token = self.verify(credential)
        return token.is_root or (token.is_valid(self._now_ms()) and allows(token.limits, scopes, permissions))

    def allows_task(self, credential: str, agent_uuid: str, *permissions: Permission) -> bool:
        """``allows`` for one agent."""
        return self.allows(credential, [Scope("agent_uuid", agent_uuid)], permissions)

    def allows_somewhere(self, credential: str, permission: Permission) -> bool:
        """
        Whether the credential may do this in any scope at all, now.

        Raises:
            CredentialMalformed, PermissionDenied: as in ``verify``.
        """
        token = self.verify(credential)
        if token.is_root:
            return True
        anywhere = any(allows([limit], limit.scopes[:1], [permission]) for limit in token.limits if limit.scopes)
        return token.is_valid(self._now_ms()) and anywhere

    def allows_some_write(self, credential: str, agent_uuid: str) -> bool:
        """
        Whether the credential may write results of any task type at all for this agent, now.

        Raises:
            CredentialMalformed, PermissionDenied: as in ``verify``.
        """
        token = self.verify(credential)
        scope = [Scope("agent_uuid", agent_uuid)]
        writes = ((limit, p) for limit in token.limits for p in limit.permissions if _is_task_write(p))
        some = any(allows([limit], scope, [permission]) for limit, permission in writes)
        return token.is_root or (token.is_valid(self._now_ms()) and some)

    def is_root(self, credential: str) -> bool:
        """
        Whether the credential is the root token's.

        Raises:
            CredentialMalformed, PermissionDenied: as in ``verify``.
        """
        return self.verify(credential).is_root

    async def create(self, creation: TokenCreation) -> Credential:
        """
        Make a token and store it; the secret is known to the caller alone.

        Raises:
            StoreFailed: it was not made.
        """
        credential = make_credential()
        limits = msgspec.json.encode([limit_form(limit) for limit in creation.token_limit]).decode()
        window = (creation.timestamp_from, creation.timestamp_to)
        row = TokenRow(0, credential.key, hash_secret(credential.secret), *window, limits, None, None)
        id_ = await self._writer.write(PutToken(row))
        self._remember(row._replace(id=id_))
        return credential

    async def set_root(self, credential: Credential) -> None:
        """Make this credential the root token's."""
        row = TokenRow(ROOT_ID, credential.key, hash_secret(credential.secret), None, None, "[]", ROOT_NAME, None)
        await self._writer.write(PutToken(row))
        self._remember(row)

    def has_root(self, credential: Credential | None = None) -> bool:
        """Whether there is a root token, and if given, whether it is this one."""
        root = self._tokens.get(ROOT_ID)
        if root is None or credential is None:
            return root is not None
        return root.row.key == credential.key and root.row.secret_hash == hash_secret(credential.secret)

    async def delete(self, token: Token) -> None:
        """Delete the token: it stops working at once."""
        await self._writer.write(DeleteToken(token.row.id))
        self._tokens.pop(token.row.id, None)
        self._verified.clear()


def _is_task_write(permission: Permission) -> bool:
    return (permission.area, permission.operation) == ("task", "write")


def task_permission(operation: str, type_name: str | None = None) -> Permission:
    """A permission of the task area."""
    return Permission("task", operation, type_name)
