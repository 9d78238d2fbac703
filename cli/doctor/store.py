"""Is there a place to keep results: the state directory, the database, the disk."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.interface import Finding, Machine, fail, ok, warn

_SQLITE = "sqlite:///"
_LEAST_BYTES = 100_000_000
_FEW_BYTES = 1_000_000_000


def check_state_dir(machine: Machine) -> Iterator[Finding]:
    """It is a directory that can be written."""
    path = machine.state_dir
    if not path.exists():
        yield ok("store", f"{path} is not there; a server makes it at its first start")
    elif not path.is_dir():
        yield fail("store", f"{path} is no directory", "move it away, or choose another --state-dir")
    elif not os.access(path, os.W_OK | os.X_OK):
        remedy = f"run as its owner (uid {path.stat().st_uid}), or choose another --state-dir"
        yield fail("store", f"{path} cannot be written", remedy)
    else:
        yield ok("store", f"{path} can be written")


def check_database(machine: Machine) -> Iterator[Finding]:
    """It opens and passes SQLite's own check; it is read only."""
    path = _path(machine)
    if path is None:
        yield ok("store", "the database is not SQLite; the server says at its start whether it can be used")
        return
    if not path.exists():
        yield ok("store", f"{path} is not there; a server makes it at its first start")
        return
    remedy = "stop the server, move the file away with its -wal and -shm, and put a backup in its place"
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            database.close()
    except sqlite3.OperationalError as e:
        yield fail("store", f"{path}: {e}", f"let this user read it, and write to {path.parent}")
    except sqlite3.DatabaseError as e:
        yield fail("store", f"{path}: {e}", remedy)
    else:
        yield ok("store", f"{path} passes its check") if found == "ok" else fail("store", f"{path}: {found}", remedy)


def check_disk(machine: Machine) -> Iterator[Finding]:
    """There is room on the disk that the database is on."""
    path = _path(machine)
    place = machine.state_dir if path is None else path.parent
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    found = f"{free / 1e9:.1f} GB free for {place}"
    remedy = "make room: delete old runs with task_delete_task, or move the state directory"
    if free < _LEAST_BYTES:
        yield fail("store", found, remedy)
    else:
        yield ok("store", found) if free >= _FEW_BYTES else warn("store", found, remedy)


def check_lock(machine: Machine) -> Iterator[Finding]:
    """Whether a server has the database open, which is no mistake: /proc/locks, so that no lock need be taken."""
    path = _path(machine)
    locks = Path("/proc/locks")
    lock = None if path is None else path.with_name(f"{path.name}.lock")
    if lock is not None and lock.exists() and locks.exists():
        inode = f":{lock.stat().st_ino}"
        is_held = any(word.endswith(inode) for line in locks.read_text().splitlines() for word in line.split())
        yield ok("store", f"{'a' if is_held else 'no'} server has the database open")


def _path(machine: Machine) -> Path | None:
    """The database's file; ``None`` for one that is none."""
    return Path(machine.store.removeprefix(_SQLITE)) if machine.store.startswith(_SQLITE) else None
