"""``version``: what the agent was built from."""

from msgspec import Struct

from protocol.reading import struct
from protocol.tasks.interface import TaskType


class Version(Struct, frozen=True):
    """The thirteen strings of a build; what a Python package does not have is ``""``."""

    binary_type: str
    cargo_version: str
    git_branch: str
    git_commit_sha: str
    git_commit_date: str
    git_commit_message: str
    build_time: str
    cargo_target_triple: str
    rustc_channel: str
    rustc_version: str
    rustc_commit_date: str
    rustc_commit_hash: str
    rustc_llvm_version: str


VERSION = TaskType(name="version", read_task=None, read_result=struct(Version), result=Version)
