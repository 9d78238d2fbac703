"""The key of a spec in every store: what is said once is found again by it."""

import hashlib

from server.store.interface import Spec


def spec_hash(spec: Spec) -> str:
    """The same for the same spec, always: it is stored."""
    parts = [spec.task] if spec[1:] == (None, None, None) else [part or "" for part in spec]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
