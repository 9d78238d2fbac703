"""
The root token at the start of the server: the one given, else the one there is, else a new one.

It is kept in a file that only its owner reads, so that callers on this machine find it.
"""

import os
from pathlib import Path

from protocol.errors import ConfigError, CredentialMalformed, StartError
from server.auth import Auth
from server.credentials import Credential, make_credential, split_credential

_LEAST_SECRET_LENGTH = 16


async def settle_root(auth: Auth, given: str | None, file: Path) -> Credential | None:
    """
    See to it that there is a root token; a new one is answered, to be shown once.

    ``given`` is ``key:secret``; ``None`` takes what the store or ``file`` knows.

    Raises:
        ConfigError: the one given, or the one in ``file``, is malformed.
        StartError: ``file`` cannot be used.
    """
    if given is not None:
        credential = _credential(given, "CRONPROBE_ROOT_TOKEN")
        if auth.has_root(credential):
            keep(file, credential)
        else:
            await auth.set_root(credential)
        return None
    if auth.has_root():
        return None
    kept = _kept(file)
    if kept is not None:  # the store is new, the directory is not: callers keep their token
        await auth.set_root(kept)
        return None
    credential = make_credential()
    await auth.set_root(credential)
    return credential


def keep(file: Path, credential: Credential) -> None:
    """
    Write the token where only its owner reads it.

    Raises:
        StartError: ``file`` cannot be written.
    """
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            os.fchmod(descriptor, 0o600)
            stream.write(f"{credential}\n")
    except OSError as e:
        raise StartError(f"{file}: {e.strerror}; choose another --state-dir") from e


def _kept(file: Path) -> Credential | None:
    """The token that the file has; ``None`` when there is no file."""
    if not file.exists():
        return None
    try:
        text = file.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as e:
        raise StartError(f"{file}: cannot be read: {e}; correct or remove it") from e
    return _credential(text, str(file))


def _credential(text: str, where: str) -> Credential:
    try:
        kind, key, secret = split_credential(text.strip())
    except CredentialMalformed:
        kind, key, secret = "key", "", ""
    if kind != "key" or not key or len(secret) < _LEAST_SECRET_LENGTH:
        raise ConfigError(f"{where}: want key:secret with a secret of at least {_LEAST_SECRET_LENGTH} characters")
    return Credential(key, secret)
