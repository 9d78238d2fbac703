"""``read_config``: the agent's configuration file, verbatim, its tokens included."""

import asyncio
from pathlib import Path

from agent.probes.interface import Ending, Failed, Found
from protocol.outcomes import Reason

NO_FILE = "this agent was started without one"


async def probe(_payload: None, *, file: Path | None) -> Ending:
    """The text of ``file``; ``None`` is an agent that has none."""
    try:
        if file is None:
            raise OSError(NO_FILE)
        return Found((await asyncio.to_thread(file.read_bytes)).decode())
    except (OSError, UnicodeDecodeError) as e:
        return Failed(Reason.PROBE_ERROR, f"Other error: Failed to read config file: {e}")
