"""What a worker tells monitoring: counted with each pulse and batch, read when Prometheus asks.

The worker's loop adds plain numbers up, a few times a second and never for a single event; the
thread that serves `/metrics` reads them. Nothing is made for monitoring until it asks.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector

from ingest.pulse import COUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.metrics_core import Metric

    from ingest.pulse import Meter

logger = logging.getLogger(__name__)

#: A client that does not send its request, or does not take the answer, is given up after this.
REQUEST_TIMEOUT_S = 5
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
#: A site that was cut off for a weekend is days late.
LAG_BOUNDS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600, 21_600, 86_400, 604_800)
BATCH_BOUNDS = (1, 5, 10, 50, 100, 500, 1_000, 2_500, 5_000)

_PREFIX = "forecourt_ingest"
_HELP = {
    "received": "Messages received from the broker.",
    "stored": "Entries and events stored, each once.",
    "duplicates": "Entries and events that the ledger held already.",
    "late": "Entries that were late at receipt: resent, stored and forwarded, replayed.",
    "live": "Messages with a live state of a pump or tank.",
    "live_written": "Live states written; the newest of each device in a round.",
    "batches": "Batches committed.",
    "commit_retries": "Batches tried again because the database was away.",
    "broker_connections": "Connections made to the broker; more than one are reconnects.",
    "sessions_lost": "Times that the broker had forgotten this worker's session.",
}


@dataclass(slots=True)
class Distribution:
    """How often values lay below each bound; the last place counts those above all of them."""

    bounds: tuple[float, ...]
    counts: list[int] = field(init=False)
    sum: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float, count: int = 1) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += count
        self.sum += value * count

    def add_sorted(self, values: list[float], *, scale: float) -> None:
        """Count many values that are in order, each times `scale`; below zero counts as zero.

        It looks each bound up instead of each value: there may be a value for every entry.
        """
        below = 0
        for place, bound in enumerate(self.bounds):
            up_to = bisect_right(values, bound / scale)
            self.counts[place] += up_to - below
            below = up_to
        self.counts[-1] += len(values) - below
        self.sum += sum(values[bisect_left(values, 0.0) :]) * scale

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, how many values lie at or below it) as Prometheus wants them."""
        names = [*map(repr, map(float, self.bounds)), "+Inf"]
        return list(zip(names, accumulate(self.counts), strict=True))


@dataclass(slots=True)
class Tally:
    """What a worker process did since it began."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            (*COUNTS, "commit_retries", "broker_connections", "sessions_lost"), 0
        )
    )
    quarantined_by_reason: dict[str, int] = field(default_factory=dict)
    latency_s: Distribution = field(default_factory=lambda: Distribution(LATENCY_BOUNDS_S))
    lag_s: Distribution = field(default_factory=lambda: Distribution(LAG_BOUNDS_S))
    late_lag_s: Distribution = field(default_factory=lambda: Distribution(LAG_BOUNDS_S))
    batch_messages: Distribution = field(default_factory=lambda: Distribution(BATCH_BOUNDS))
    holds_name: bool = False
    stands_by: bool = False
    is_connected: bool = False
    #: (messages in the batch being filled, messages in the inbox before it), while there is work.
    held: Callable[[], tuple[int, int]] = lambda: (0, 0)

    def add(self, meter: Meter) -> None:
        """Add a second."""
        for name in (*COUNTS, "commit_retries"):
            self.counts[name] += getattr(meter, name)
        for reason, count in meter.quarantined_by_reason.items():
            self.quarantined_by_reason[reason] = self.quarantined_by_reason.get(reason, 0) + count
        for milliseconds, count in meter.latencies:
            self.latency_s.add(milliseconds / 1_000, count)
        meter.lags.sort()  # at once, where `row` did it already
        self.lag_s.add_sorted(meter.lags, scale=0.001)
        meter.late_lags.sort()
        self.late_lag_s.add_sorted(meter.late_lags, scale=0.001)
        for messages in meter.batch_messages:
            self.batch_messages.add(messages)


class TallyCollector(Collector):
    """Turns a worker's tally into metrics, each labelled with the worker's name."""

    def __init__(self, tally: Tally, *, worker: str, reasons: tuple[str, ...]) -> None:
        self._tally = tally
        self._labels = [worker]
        self._reasons = reasons

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        tally = self._tally
        for name, words in _HELP.items():
            yield self._counter(name, words, tally.counts[name])
        quarantined = CounterMetricFamily(
            f"{_PREFIX}_quarantined",
            "Messages and items that the ledger did not take, by reason.",
            labels=["worker", "reason"],
        )
        for reason in self._reasons:
            count = tally.quarantined_by_reason.get(reason, 0)
            quarantined.add_metric([*self._labels, reason], count)
        yield quarantined
        yield self._histogram("latency_seconds", "From receipt to commit.", tally.latency_s)
        yield self._histogram(
            "lag_seconds", "From occurrence to commit, of live entries.", tally.lag_s
        )
        yield self._histogram(
            "late_lag_seconds", "From occurrence to commit, of late entries.", tally.late_lag_s
        )
        yield self._histogram("batch_messages", "Messages in a batch.", tally.batch_messages)
        batch, inbox = tally.held()
        yield self._gauge("backlog_messages", "Messages held, not yet committed.", batch + inbox)
        yield self._gauge("inbox_messages", "Of these, messages not yet decoded.", inbox)
        yield self._gauge("connected", "1 while connected to the broker.", tally.is_connected)
        yield self._gauge("name_held", "1 while it works under its name.", tally.holds_name)
        yield self._gauge(
            "standing_by", "1 while another worker has its name and it waits.", tally.stands_by
        )

    def _counter(self, name: str, words: str, value: float) -> Metric:
        family = CounterMetricFamily(f"{_PREFIX}_{name}", words, labels=["worker"])
        family.add_metric(self._labels, value)
        return family

    def _gauge(self, name: str, words: str, value: float) -> Metric:
        family = GaugeMetricFamily(f"{_PREFIX}_{name}", words, labels=["worker"])
        family.add_metric(self._labels, float(value))
        return family

    def _histogram(self, name: str, words: str, values: Distribution) -> Metric:
        family = HistogramMetricFamily(f"{_PREFIX}_{name}", words, labels=["worker"])
        family.add_metric(self._labels, values.buckets(), values.sum)
        return family


class _Server(WSGIServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say in a line that a client went away or was too slow; the worker goes on."""
        logger.info("metrics: %s was not answered", client_address, exc_info=True)


class _Handler(WSGIRequestHandler):
    """Silent, and patient for so long only: one request is answered at a time."""

    timeout = REQUEST_TIMEOUT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is wsgiref's
        """Log nothing: a scrape every few seconds is no news."""


@contextlib.contextmanager
def metrics_served(collector: Collector, *, host: str, port: int) -> Iterator[int]:
    """Answer Prometheus while the context is open, one request at a time, in a thread.

    Port 0 lets the system choose; the context gives the port. OSError when it is taken.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    ProcessCollector(registry=registry)
    server = make_server(host, port, make_wsgi_app(registry), _Server, _Handler)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
