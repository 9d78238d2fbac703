"""Can others read what is secret: the state directory and the tokens in it."""

from collections.abc import Iterator

from cli.doctor.interface import Finding, Machine, fail, ok

_TOKENS = ("root-token", "local-agent-token")
_OTHERS = 0o077


def check_secrets(machine: Machine) -> Iterator[Finding]:
    """Only their owner reads them."""
    wanted = [(machine.state_dir, 0o700), *((machine.state_dir / name, 0o600) for name in _TOKENS)]
    there = [(path, mode) for path, mode in wanted if path.exists()]
    for path, mode in there:
        found = path.stat().st_mode & 0o777
        if found & _OTHERS:
            yield fail("permissions", f"{path} has mode {found:04o}: others can use it", f"chmod {mode:04o} {path}")
        else:
            yield ok("permissions", f"{path} is its owner's alone")
