"""
How long a rejected registration waits for its answer: a stock agent that is rejected comes back without any pause.

1 s, doubling to 30 s, by address; one that was quiet for long enough starts anew.
"""

from collections import OrderedDict
from collections.abc import Callable

from msgspec import Struct

_LONGEST_S = 30.0
_QUIET_S = 120.0
_MOST_ADDRESSES = 10_000


class _Address(Struct):
    delay_s: float
    last_s: float


class Rejections:
    """``first_s`` is the first delay; ``now_s`` a clock that only goes forward, in seconds."""

    def __init__(self, *, first_s: float, now_s: Callable[[], float]) -> None:
        self._first_s = first_s
        self._now_s = now_s
        self._addresses: OrderedDict[str, _Address] = OrderedDict()

    def delay_s(self, address: str) -> float:
        """The delay of the rejection at hand; the next one will be longer."""
        now = self._now_s()
        known = self._addresses.pop(address, None)
        is_quiet = known is None or now - known.last_s > _QUIET_S
        delay_s = self._first_s if known is None or is_quiet else min(known.delay_s * 2, _LONGEST_S)
        self._addresses[address] = _Address(delay_s, now)
        if len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.popitem(last=False)
        return delay_s
