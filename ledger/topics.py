"""What a topic of the event contract names, for who reads topics that were stored.

The contract itself is `ingest.contract`; a test keeps the two in step.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from django.db import models
from django.utils.translation import gettext_lazy as _

ROOT = "forecourt/v1"
_TOPIC = re.compile(
    rf"{ROOT}/(?P<site>[A-Za-z0-9-]{{1,32}})/(?P<lane>[a-z]+)(?:/(?P<device>\d{{1,5}}))?"
)


class Lane(models.TextChoices):
    """What a site publishes, by the level of the topic after its code."""

    LEDGER = "ledger", _("Ledger entries")
    DAY = "day", _("Fiscal day")
    DELIVERIES = "deliveries", _("Deliveries")
    ALARMS = "alarms", _("Alarms")
    STATUS = "status", _("Status")
    PUMPS = "pumps", _("Pumps")
    TANKS = "tanks", _("Tanks")
    PRICES = "prices", _("Prices")


class TopicParts(NamedTuple):
    """A topic taken apart; empty texts and None where it is none of the contract's."""

    site_code: str = ""
    lane: str = ""
    device: int | None = None


def topic_parts(topic: str) -> TopicParts:
    """Take a stored topic apart."""
    found = _TOPIC.fullmatch(topic)
    if found is None or found["lane"] not in Lane.values:
        return TopicParts()
    return TopicParts(
        found["site"], found["lane"], int(found["device"]) if found["device"] else None
    )


def topic_prefix(site_code: str) -> str:
    """Return what every topic of a site begins with."""
    return f"{ROOT}/{site_code}/"
