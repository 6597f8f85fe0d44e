"""How a worker is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ingest.contract import SUBSCRIPTION
from ingest.mqtt import BrokerAddress
from ingest.topics import ALL_SITES, Share


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """How a worker is set up.

    Workers of one `group` divide the messages among them, those with a `share` the sites. `series`
    is where a copy of the seals is kept, None: nowhere.
    """

    broker: BrokerAddress
    name: str = "ingest"
    group: str = ""
    share: Share = ALL_SITES
    series: Path | None = None

    @property
    def subscription(self) -> str:
        """The topic filter, shared when the worker belongs to a group."""
        return f"$share/{self.group}/{SUBSCRIPTION}" if self.group else SUBSCRIPTION
