"""How long to wait before the next attempt, as pure functions of what happened."""

from random import Random

LONGEST_S = 60.0


def backoff_s(failures: int, rng: Random) -> float:
    """After that many failures in a row: 1, 2, 4, … 60 s, each 20 % more or less."""
    return jittered_s(min(2.0 ** min(failures - 1, 6), LONGEST_S), rng)


def jittered_s(pause_s: float, rng: Random) -> float:
    """The pause, 20 % more or less, so that agents do not come back in step."""
    return pause_s * rng.uniform(0.8, 1.2)
