"""Counts the queries of pages with Django's test client.

    python -m tests.benchmarks.page_queries SESSION < paths

prints, as JSON, each path's number of queries and the milliseconds that they took together.
"""

from __future__ import annotations

import json
import sys

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


def main(session: str) -> None:
    """Ask for each path twice, so that nothing is counted that only the first request does."""
    client = Client(HTTP_HOST="127.0.0.1")
    client.cookies[settings.SESSION_COOKIE_NAME] = session
    found = {}
    for path in sys.stdin.read().split():
        client.get(path)
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        found[path] = (
            len(queries),
            sum(float(query["time"]) for query in queries.captured_queries) * 1000,
        )
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
