"""Times without an offset of sites that were not registered when their rows were moved.

Such a time is one of the site's own clock, and nobody knew that clock. The message waits in
quarantine as an unknown site's, with the time as the table has it; once the site is registered and
the message released, the time is read in the site's zone.
"""

from __future__ import annotations

import datetime
import re
from zoneinfo import ZoneInfo

_ADOPTED = b'{"adopted":"'
# A quotation mark within a text is escaped, so this cannot stand within one.
_NAIVE_TIME = re.compile(
    rb'(?<=,"occurred_at":")(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?=")'
)


def localised(payload: bytes, timezone: str) -> bytes:
    """Return an adopted row's message with its time in the site's zone; any other as it is.

    An hour that the clock shows twice is the second one, in standard time, as PostgreSQL reads it.
    """
    if not payload.startswith(_ADOPTED):
        return payload

    def with_offset(match: re.Match[bytes]) -> bytes:
        try:
            local = datetime.datetime.fromisoformat(match[1].decode())
        except ValueError:
            return match[0]  # no time, such as the 31st of November: the decoder says so
        return local.replace(tzinfo=ZoneInfo(timezone), fold=1).isoformat().encode()

    return _NAIVE_TIME.sub(with_offset, payload, count=1)
