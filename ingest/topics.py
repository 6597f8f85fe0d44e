"""Which lane of which site a topic names."""

from __future__ import annotations

from typing import NamedTuple

from ingest.contract import ROOT, SITE_CODE

LEDGER = "ledger"
DAY = "day"
DELIVERIES = "deliveries"
ALARMS = "alarms"
STATUS = "status"
PUMPS = "pumps"
TANKS = "tanks"
COMMANDS = "commands"
SEALS = "seals"
#: What the console itself publishes; the worker hears it back and lets it pass.
OUTGOING = frozenset({COMMANDS, SEALS})

_PLAIN_LANES = frozenset({LEDGER, DAY, DELIVERIES, ALARMS, STATUS, *OUTGOING})
_NUMBERED_LANES = frozenset({PUMPS, TANKS})
_DEVICE_NUMBER_MAX = 32_767
#: How many topics are remembered; a fleet of 3,000 sites uses about 100,000.
CACHE_TOPICS_MAX = 200_000


class Route(NamedTuple):
    """A topic taken apart. `problem` says why it is none of the contract's, else it is empty."""

    topic: str
    site_code: str
    lane: str
    device: int
    problem: str


class TopicTable:
    """Routes by topic, remembered, because a fleet says the same topics all day."""

    def __init__(self) -> None:
        self._routes: dict[bytes, Route] = {}

    def route(self, topic: bytes) -> Route:
        """Return the route of a topic as it stands on the wire."""
        route = self._routes.get(topic)
        if route is None:
            if len(self._routes) >= CACHE_TOPICS_MAX:
                self._routes.clear()
            route = self._routes[topic] = parse_topic(topic)
        return route


def parse_topic(raw: bytes) -> Route:
    """Take a topic apart."""
    topic = raw.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")
    levels = topic.split("/")
    if levels[:2] != ROOT.split("/"):
        return Route(topic, "", "", 0, f"only {ROOT}/… is known")
    if len(levels) not in {4, 5}:
        return Route(topic, "", "", 0, f"{ROOT}/SITE/LANE or {ROOT}/SITE/LANE/NUMBER is expected")
    code, lane = levels[2:4]
    if not SITE_CODE.fullmatch(code):
        return Route(topic, "", lane, 0, f"{code!r} is no site code (1 to 32 of A-Z a-z 0-9 -)")
    if len(levels) == 4 and lane in _PLAIN_LANES:
        return Route(topic, code, lane, 0, "")
    if len(levels) == 5 and lane in _NUMBERED_LANES:
        number = levels[4]
        if number.isascii() and number.isdigit() and int(number) <= _DEVICE_NUMBER_MAX:
            return Route(topic, code, lane, int(number), "")
        return Route(topic, code, lane, 0, f"{number!r} is no device number (0 to 32767)")
    return Route(topic, code, lane, 0, f"no lane {'/'.join(levels[3:])!r} in the contract")
