"""The ASGI application that a server runs: `uvicorn console.asgi:application`."""

import asyncio
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
pages = get_asgi_application()

from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from console.housekeeping import HOUSEKEEPING  # noqa: E402
from console.live.routing import application_with_streams  # noqa: E402
from console.live.service import SERVICE  # noqa: E402
from console.warm import warm_up  # noqa: E402

# Each request has a thread of its own here, so without a pool each would connect anew. Commands
# and tests have one thread or two, which keep a connection: they need no pool.
settings.DATABASES["default"].setdefault("OPTIONS", {})["pool"] = settings.DATABASE_POOL

# Before the server says that it is ready.
warm_up()


async def close_pool() -> None:
    """Give the connections back to the database."""
    # Only PostgreSQL's wrapper has it, so Django's stubs do not know.
    await asyncio.to_thread(connection.close_pool)  # type: ignore[attr-defined]


application = application_with_streams(
    pages, service=SERVICE, stop=close_pool, housekeeping=HOUSEKEEPING
)
