"""Files are sent part by part, however the server calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import cast

from django.test import AsyncRequestFactory, RequestFactory

from console.exports import file_response


def parts(made: list[int]) -> Iterator[bytes]:
    for number in range(3):
        made.append(number)
        yield b"%d\n" % number


def test_each_part_is_made_when_it_is_asked_for() -> None:
    made: list[int] = []
    answer = file_response(
        RequestFactory().get("/"), parts(made), name="x.csv", content_type="text/csv"
    )
    assert answer["Content-Disposition"] == 'attachment; filename="x.csv"'
    content = cast("Iterator[bytes]", answer.streaming_content)
    assert next(content) == b"0\n"
    assert made == [0]
    assert list(content) == [b"1\n", b"2\n"]


async def test_it_is_so_under_asgi_too() -> None:
    made: list[int] = []
    answer = file_response(
        AsyncRequestFactory().get("/"), parts(made), name="x.csv", content_type="text/csv"
    )
    content = cast("AsyncIterator[bytes]", answer.streaming_content)
    assert await anext(content) == b"0\n"
    assert made == [0]
    assert [part async for part in content] == [b"1\n", b"2\n"]
