"""``token_*``: the parameters of its methods."""

from typing import Annotated

import msgspec
from msgspec import Raw, Struct

from protocol.params import ReadBy
from protocol.permissions import LIMIT_SCHEMA, Limit, read_limit
from protocol.reading import Text, plain, refuse_repeats, sequence
from protocol.schemas import TEXT, TIME_MS, WHOLE, array, nullable, record


class TokenCreation(Struct, frozen=True):
    """A token to be made; times are ms since the epoch, ``None`` leaves that side open."""

    username: str | None
    password: str | None
    timestamp_from: int | None
    timestamp_to: int | None
    version: int | None
    token_limit: tuple[Limit, ...]


class _TokenCreation(Struct):
    token_limit: Raw
    username: str | None = None
    password: str | None = None
    timestamp_from: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    timestamp_to: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | None = None
    version: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None


def read_token_creation(text: Text) -> TokenCreation:
    """
    A token's description from its JSON object.

    Raises:
        Unreadable: it is none.
    """
    refuse_repeats(text, TokenCreation.__struct_fields__)
    creation = plain(_TokenCreation)(text)
    return TokenCreation(
        creation.username,
        creation.password,
        creation.timestamp_from,
        creation.timestamp_to,
        creation.version,
        sequence(read_limit)(creation.token_limit),
    )


_CREATION = record(
    {"token_limit": array(LIMIT_SCHEMA)},
    {
        "username": nullable(TEXT),
        "password": nullable(TEXT),
        "timestamp_from": nullable(TIME_MS),
        "timestamp_to": nullable(TIME_MS),
        "version": nullable(WHOLE),
    },
)


class CreateToken(Struct, frozen=True):
    """Make a token; ``father_token`` must be the root token."""

    father_token: str
    token_creation: Annotated[TokenCreation, ReadBy(read_token_creation, _CREATION)]


class GetToken(Struct, frozen=True):
    """A token's record; with ``supertoken``, ``token`` may be a bare key or username."""

    token: str
    supertoken: str | None = None


class ListTokens(Struct, frozen=True):
    """All token records."""

    token: str


class DeleteToken(Struct, frozen=True):
    """Delete the token with this key or username."""

    token: str
    target_token: str


class EditToken(Struct, frozen=True):
    """Give the token with this key or username other limits."""

    token: str
    target_token: str
    limit: Annotated[tuple[Limit, ...], ReadBy(sequence(read_limit), array(LIMIT_SCHEMA))]


class RollTokenSecret(Struct, frozen=True):
    """Give a token a new secret; ``target_token`` is its key or username, or its whole credential."""

    token: str
    target_token: str


class ChangePassword(Struct, frozen=True):
    """Give a token another password; ``target_token`` is its key or username, or its whole credential."""

    token: str
    target_token: str
    new_password: str
