"""``version``: what this agent is; of a build that compiled nothing, most of it is ``""``."""

import platform
from importlib import metadata

from agent.probes.interface import Ending, Found
from protocol.tasks.version import Version


async def probe(_payload: None) -> Ending:
    """The thirteen strings."""
    strings = dict.fromkeys(Version.__struct_fields__, "")
    strings |= {
        "binary_type": "Agent",
        "cargo_version": metadata.version("cronprobe"),
        "cargo_target_triple": f"{platform.machine()}-{platform.system().lower()}-python{platform.python_version()}",
    }
    return Found(Version(**strings))
