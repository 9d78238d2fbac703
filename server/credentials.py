"""
Credentials: how their text is read, how new ones are made, and in what form secrets and passwords are kept.

A secret is 32 random characters, so one SHA-256 keeps it; a password is a person's, so it is stretched.
"""

import base64
import hashlib
import secrets
import string
from hmac import compare_digest
from typing import Literal

from msgspec import Struct

from protocol.errors import CredentialMalformed

_ALPHABET = string.ascii_letters + string.digits
FORMS = "Invalid token format: must be 'key:secret' or 'username|password'"
LEAST_PASSWORD_BYTES = 6

# OWASP's Password Storage Cheat Sheet: scrypt with N = 2^14, r = 8, p = 5; 16 MiB.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 5
_SALT_BYTES = 16
_MEMORY_BYTES = 64 * 1024 * 1024


class Credential(Struct, frozen=True):
    """A new token's two halves, shown once."""

    key: str
    secret: str

    def __str__(self) -> str:
        return f"{self.key}:{self.secret}"


def split_credential(text: str) -> tuple[Literal["key", "username"], str, str]:
    """
    (kind, name, secret or password) of a credential; the first colon wins over any bar.

    Raises:
        CredentialMalformed: it has neither.
    """
    name, found, secret = text.partition(":")
    if found:
        return "key", name, secret
    name, found, secret = text.partition("|")
    if found:
        return "username", name, secret
    raise CredentialMalformed(f"Failed to parse token: {FORMS}")


def make_credential() -> Credential:
    """A random key of 16 and secret of 32 characters."""
    return Credential(_random(16), make_secret())


def make_secret() -> str:
    """A random secret of 32 characters."""
    return _random(32)


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def hash_secret(secret: str) -> str:
    """The stored form of a secret of 32 random characters, which needs no stretching."""
    return hashlib.sha256(b"NODEGET" + secret.encode()).hexdigest()


def is_secret(secret: str, stored: str) -> bool:
    """Whether ``stored`` is the stored form of ``secret``."""
    return compare_digest(hash_secret(secret), stored)


def hash_password(password: str) -> str:
    """The stored form of a password: ``scrypt$N$r$p$salt$hash`` (RFC 7914). Takes a tenth of a second of CPU."""
    salt = secrets.token_bytes(_SALT_BYTES)
    derived = _derive(password, salt, _COST, _BLOCK, _PARALLEL)
    return "$".join(("scrypt", str(_COST), str(_BLOCK), str(_PARALLEL), _base64(salt), _base64(derived)))


def is_password(password: str, stored: str | None) -> bool:
    """Whether ``stored`` is the stored form of ``password``. ``None`` is nobody's, and takes as long to say."""
    _, cost, block, parallel, salt, derived = (stored or _NOBODYS).split("$")
    found = _derive(password, base64.b64decode(salt), int(cost), int(block), int(parallel))
    return compare_digest(found, base64.b64decode(derived)) and stored is not None


def _derive(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MEMORY_BYTES, dklen=32)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


_NOBODYS = f"scrypt${_COST}${_BLOCK}${_PARALLEL}${_base64(bytes(_SALT_BYTES))}${_base64(bytes(32))}"
