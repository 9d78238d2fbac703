"""
``edit_config``: another configuration in the place of the agent's own, in one step, if an agent could start with it.

The agent then starts anew with it, once the result has been uploaded.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.config import parse
from agent.probes.interface import Ending, Failed, Found
from agent.probes.read_config import NO_FILE
from protocol.errors import ConfigError
from protocol.outcomes import Reason


async def probe(text: str, *, file: Path | None, on_edited: Callable[[], None]) -> Ending:
    """Whether the file was replaced; ``file`` ``None`` is an agent that has none."""
    try:
        parse(text, "config", may_generate=False)
    except ConfigError as e:
        return Failed(Reason.PROBE_ERROR, f"Other error: Config parse error: {e}")
    try:
        if file is None:
            raise OSError(NO_FILE)
        await asyncio.to_thread(_replace, file, text)
    except (OSError, UnicodeEncodeError) as e:
        return Failed(Reason.PROBE_ERROR, f"Other error: Failed to write config file: {e}")
    on_edited()
    return Found(True)


def _replace(file: Path, text: str) -> None:
    """Whoever reads the file meanwhile, or after a power cut, finds the old text or the new one."""
    file = file.resolve()
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
            os.fchmod(descriptor, file.stat().st_mode & 0o777)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
