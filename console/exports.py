"""Files that are made while they are sent, so that memory stays the same however long they get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse


def file_response(
    request: HttpRequest, parts: Iterable[bytes], *, name: str, content_type: str
) -> StreamingHttpResponse:
    """Answer with a file to be kept, part by part.

    Each part is made in the thread that the ORM of the request uses. Under ASGI a plain iterator
    would be read to its end before the first byte goes out.
    """
    content = _one_by_one(iter(parts)) if isinstance(request, ASGIRequest) else parts
    response = StreamingHttpResponse(content, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _one_by_one(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    following = sync_to_async(lambda: next(parts, None), thread_sensitive=True)
    while (part := await following()) is not None:
        yield part
