"""What a web process tells monitoring: its requests, its streams and its database connections.

Each process counts for itself; `console.views.metrics` answers with the counts of the one that is
asked.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.db import connection
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from console import clients
from console.exports import EXPORTS, OUTCOMES
from console.housekeeping import HOUSEKEEPING
from console.live.service import SERVICE, STREAMS_MAX, LiveService

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from prometheus_client.metrics_core import Metric

_PREFIX = "forecourt_console"
REQUEST_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
#: Whoever invents methods makes no series of their own.
_METHODS = frozenset({"GET", "HEAD", "POST", "OPTIONS"})

REGISTRY = CollectorRegistry()
_REQUESTS = Counter(
    f"{_PREFIX}_requests",
    "Requests answered, by the name of the address; streams are not among them.",
    ["view", "method", "status"],
    registry=REGISTRY,
)
_DURATIONS = Histogram(
    f"{_PREFIX}_request_seconds",
    "From a request to its response.",
    ["view"],
    buckets=REQUEST_BOUNDS_S,
    registry=REGISTRY,
)


@sync_and_async_middleware
def request_metrics(
    get_response: Callable[[HttpRequest], Any],
) -> Callable[[HttpRequest], Any]:
    """Count each request and how long it took."""
    if iscoroutinefunction(get_response):

        async def count_async(request: HttpRequest) -> HttpResponseBase:
            started = time.perf_counter()
            answer: Awaitable[HttpResponseBase] = get_response(request)
            response = await answer
            _count(request, response, time.perf_counter() - started)
            return response

        return count_async

    def count(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        response: HttpResponseBase = get_response(request)
        _count(request, response, time.perf_counter() - started)
        return response

    return count


def _count(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    match = request.resolver_match
    # Static files, and addresses that lead nowhere, are one.
    view = (match.view_name if match else "") or "none"
    method = request.method if request.method in _METHODS else "other"
    _REQUESTS.labels(view, method, str(response.status_code)).inc()
    _DURATIONS.labels(view).observe(seconds)


class LiveCollector(Collector):
    """The streams of this process, read when asked."""

    def __init__(self, service: LiveService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now."""
        counts = self._service.hub.counts
        listener = self._service.listener
        yield _gauge("streams", "Streams open or being let in.", self._service.streams)
        yield _gauge("streams_max", "Streams that the process takes at most.", STREAMS_MAX)
        yield _gauge("viewers", "Streams that are being served.", counts.viewers)
        yield _gauge("topics", "Different pages that somebody watches.", counts.topics)
        yield _gauge(
            "listening", "1 while changes of the ledger are heard of.", listener.connected.is_set()
        )
        yield _counter(
            "streams_refused",
            "Streams refused to a person who had as many as one may have.",
            self._service.refused_of_person,
        )
        yield _counter("renders", "Pages rendered for their streams.", counts.renders)
        yield _counter("failed_renders", "Renderings that failed.", counts.failed_renders)
        yield _counter(
            "skipped_updates", "Updates that a slow viewer got a newer one of.", counts.skipped
        )
        yield _counter(
            "listener_connections",
            "Connections made to hear of changes; more than one are reconnects.",
            listener.connections_made,
        )


class PoolCollector(Collector):
    """The pool of connections to the database, where the process has one (`console.asgi`)."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now."""
        # Only PostgreSQL's wrapper has it, so Django's stubs do not know.
        pool: Any = connection.pool  # type: ignore[attr-defined]
        if pool is None:
            return
        stats = pool.get_stats()
        for name, words in (
            ("pool_max", "Connections to the database at most."),
            ("pool_size", "Connections to the database."),
            ("pool_available", "Connections that nobody uses."),
            ("requests_waiting", "Requests that wait for a connection."),
        ):
            yield _gauge(f"database_{name}", words, stats.get(name, 0))
        for name, words in (
            ("requests_num", "Connections asked for."),
            ("requests_queued", "Connections that had to be waited for."),
            ("requests_errors", "Connections asked for in vain."),
        ):
            yield _counter(f"database_{name.removesuffix('_num')}", words, stats.get(name, 0))
        waited_s = stats.get("requests_wait_ms", 0) / 1_000
        yield _counter("database_wait_seconds", "Time spent waiting for a connection.", waited_s)


class BoundsCollector(Collector):
    """What clients keep open, and what came to an end at a bound."""

    def collect(self) -> Iterator[Metric]:
        """Yield the figures as they are now."""
        yield _gauge("exports", "Downloads being written or read.", EXPORTS.open_count)
        yield _gauge("exports_max", "Downloads at a time at most.", settings.EXPORTS_MAX)
        outcomes = CounterMetricFamily(
            f"{_PREFIX}_exports_ended", "Downloads by what became of them.", labels=["outcome"]
        )
        for outcome in OUTCOMES:
            outcomes.add_metric([outcome], EXPORTS.outcomes[outcome])
        yield outcomes
        counts = clients.COUNTS
        for name, words, value in (
            ("bodies_too_large", "Requests refused as too large.", counts.bodies_too_large),
            ("bodies_too_late", "Requests that did not come in time.", counts.bodies_too_late),
            (
                "answers_not_taken",
                "Answers given up, because their client took nothing for a while.",
                counts.answers_not_taken,
            ),
            (
                "sessions_cleared",
                "Sessions deleted after their end.",
                HOUSEKEEPING.sessions_cleared,
            ),
        ):
            yield _counter(name, words, value)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", words, value=float(value))


def _counter(name: str, words: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", words, value=value)


REGISTRY.register(LiveCollector(SERVICE))
REGISTRY.register(PoolCollector())
REGISTRY.register(BoundsCollector())
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
