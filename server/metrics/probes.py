"""
All probes by their labels, and their series as text.

prometheus-client took 4.1 s for 10,000 probes; here the labels of a probe are rendered once, and its lines again only
when what they say has changed.
"""

from collections.abc import Iterable, Iterator

from server.config import MetricsExtent
from server.metrics.families import FAMILIES, Family
from server.metrics.stats import ProbeLabels, ProbeStats
from server.metrics.text import Format, Head


class ProbeMetrics:
    """The probes whose series are shown."""

    def __init__(self, extent: MetricsExtent) -> None:
        self._shown = families_of(extent)
        self._stats: dict[ProbeLabels, ProbeStats] = {}

    def of(self, labels: ProbeLabels) -> ProbeStats:
        """The stats of a probe, from zero when it is new."""
        stats = self._stats.get(labels)
        if stats is None:
            stats = self._stats[labels] = ProbeStats(labels)
        return stats

    def find(self, labels: ProbeLabels) -> ProbeStats | None:
        """The stats of a probe, ``None`` when it has no series."""
        return self._stats.get(labels)

    def drop(self, gone: Iterable[ProbeLabels]) -> None:
        """These probes are no longer declared: their series leave the page."""
        for labels in gone:
            self._stats.pop(labels, None)

    def families(self, form: Format) -> Iterator[tuple[Head, Iterable[str]]]:
        """See ``text.Families``."""
        for family in self._shown:
            # Probes come and go while a page is written; each family shows those that are there when it begins.
            yield family.head, _texts(family, list(self._stats.values()), form)


def families_of(extent: MetricsExtent) -> list[Family]:
    """The families that are shown."""
    return [family for family in FAMILIES if extent is MetricsExtent.FULL or not family.is_full]


def _texts(family: Family, probes: Iterable[ProbeStats], form: Format) -> Iterator[str]:
    return (family.text(stats, form) for stats in probes)
