"""The faults that a verification finds."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that is not as it was sealed, or does not add up; `what` is a sentence."""

    what: str
    site: str = ""
    fiscal_day: datetime.date | None = None

    def __str__(self) -> str:
        where = f"{self.site} {self.fiscal_day or ''}".strip()
        return f"{where}: {self.what}" if where else self.what
