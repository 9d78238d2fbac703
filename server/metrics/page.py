"""
The page of all series, written in slices between which the event loop breathes.

A slice ends when its time is up, whatever there is to write: a scrape must not make ticks late.
"""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics
from prometheus_client.registry import Collector

from server.metrics.text import Families, Format

_SLICE_S = 0.001
_PIECE_CHARACTERS = 262_144
_END = "# EOF\n"
_GZIP = 16 + zlib.MAX_WBITS
_FASTEST = 1


class Page:
    """What prometheus-client keeps, then the series of ``sources``."""

    def __init__(self, *, registry: CollectorRegistry, sources: Sequence[Families]) -> None:
        self._registry = registry
        self._sources = sources

    async def pieces(self, form: Format) -> AsyncIterator[bytes]:
        """The page in pieces."""
        parts: list[str] = []
        characters = 0
        ends_s = time.perf_counter() + _SLICE_S
        for text in self._texts(form):
            parts.append(text)
            characters += len(text)
            is_over = time.perf_counter() >= ends_s
            if is_over or characters >= _PIECE_CHARACTERS:
                yield "".join(parts).encode()
                parts, characters = [], 0
                if is_over:
                    await asyncio.sleep(0)
                    ends_s = time.perf_counter() + _SLICE_S
        yield "".join(parts).encode()

    async def zipped(self, form: Format) -> AsyncIterator[bytes]:
        """The page by gzip, in pieces; the work is done on a thread, where it needs no interpreter lock."""
        compressor = zlib.compressobj(_FASTEST, wbits=_GZIP)
        waiting: list[bytes] = []
        async for piece in self.pieces(form):
            waiting.append(piece)
            if sum(map(len, waiting)) >= _PIECE_CHARACTERS:
                yield await asyncio.to_thread(compressor.compress, b"".join(waiting))
                waiting = []
        yield await asyncio.to_thread(compressor.compress, b"".join(waiting)) + compressor.flush()

    def _texts(self, form: Format) -> Iterator[str]:
        for metric in self._registry.collect():
            yield _library_text(metric, form)
        for source in self._sources:
            for head, texts in source.families(form):
                yield head.text(form)
                yield from texts
        if form is Format.OPEN_METRICS:
            yield _END


class _Only(Collector):
    """A registry of one family, so that the library writes them one by one."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


def _library_text(metric: Metric, form: Format) -> str:
    only = _Only(metric)
    if form is Format.OPEN_METRICS:
        text: bytes = generate_open_metrics(only)  # type: ignore[no-untyped-call]
        return text.decode().removesuffix(_END)
    return generate_latest(only).decode()
