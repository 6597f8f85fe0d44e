"""Static files, as the ASGI server answers with them."""

from __future__ import annotations

import pytest
from django.test import AsyncClient

PATH = "/static/console/live.js"


async def test_a_file_is_answered_whole_and_then_not_again() -> None:
    client = AsyncClient()
    answer = await client.get(PATH)
    assert answer.status_code == 200
    assert not answer.streaming
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer.content.startswith(b"/*")
    assert int(answer["Content-Length"]) == len(answer.content)
    again = await client.get(PATH, headers={"If-Modified-Since": answer["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("method", "length"), [("head", 0), ("get", 2)])
async def test_heads_and_ranges(method: str, length: int) -> None:
    headers = {"Range": "bytes=0-1"} if method == "get" else {}
    answer = await getattr(AsyncClient(), method)(PATH, headers=headers)
    assert answer.status_code == (206 if headers else 200)
    assert len(answer.content) == length


async def test_a_file_that_is_not_there_is_not_found() -> None:
    assert (await AsyncClient().get("/static/console/no.js")).status_code in {302, 404}
