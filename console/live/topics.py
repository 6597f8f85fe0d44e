"""What a stream can be about, and which changes concern it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from console.fragments import SiteIds


@dataclass(frozen=True, slots=True)
class Change:
    """Something in the ledger changed.

    `sites` are the ids of the sites whose entries, days, live states or alarms changed, None
    standing for any of them; `pulse` says that a worker stored a pulse.
    """

    sites: SiteIds
    pulse: bool = False


#: What is announced when nobody knows what was missed.
ANYTHING = Change(sites=None, pulse=True)


@dataclass(frozen=True, slots=True)
class SiteTopic:
    """One site's page in one language. All who watch it see the same."""

    site_id: int
    language: str

    def is_changed_by(self, change: Change) -> bool:
        """Say whether the page may look different after the change."""
        return change.sites is None or self.site_id in change.sites


@dataclass(frozen=True, slots=True)
class DayTopic:
    """The page of one fiscal day of a site in one language, as one person sees it.

    What they may do about the day stands among its pieces, and few watch the same one.
    """

    site_id: int
    fiscal_day: datetime.date
    person_id: int
    language: str

    def is_changed_by(self, change: Change) -> bool:
        """Say whether the page may look different after the change."""
        return change.sites is None or self.site_id in change.sites


@dataclass(frozen=True, slots=True)
class NetworkTopic:
    """The network page in one language, for all who see the same sites (None: all of them)."""

    site_ids: SiteIds
    language: str

    def is_changed_by(self, change: Change) -> bool:
        """Say whether the page may look different after the change."""
        if change.pulse or change.sites is None:
            return True
        if self.site_ids is None:
            return bool(change.sites)
        return not self.site_ids.isdisjoint(change.sites)


Topic = SiteTopic | DayTopic | NetworkTopic
