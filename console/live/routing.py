"""The ASGI application: streams, the pages of Django, and the server's start and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path, re_path

from console.clients import BoundedClients
from console.housekeeping import Housekeeping
from console.live.service import LiveService
from console.live.signals import on_stop_signal
from console.live.stream import RECHECK_S, LiveStream


def application_with_streams(
    pages: Any,
    *,
    service: LiveService,
    stop: Callable[[], Awaitable[None]] | None = None,
    housekeeping: Housekeeping | None = None,
    recheck_s: float = RECHECK_S,
) -> ProtocolTypeRouter:
    """Put the streams before the pages. `stop` runs last of all when the server stops."""
    stream: Any = LiveStream.as_asgi(service=service, recheck_s=recheck_s)
    bounded_pages: Any = BoundedClients(pages)
    routes: Any = [
        path("live/", stream),
        path("live/sites/<code>/", stream),
        path("live/sites/<code>/days/<fiscal_day>/", stream),
        re_path("", bounded_pages),
    ]

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        on_stop_signal(service.end_streams)
        if housekeeping is not None:
            housekeeping.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await service.stop()
        if housekeeping is not None:
            await housekeeping.stop()
        if stop is not None:
            await stop()
        await send({"type": "lifespan.shutdown.complete"})

    return ProtocolTypeRouter({"http": URLRouter(routes), "lifespan": lifespan})
