"""Which lane of which site a topic names."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from ingest.contract import ROOT, SITE_CODE

LEDGER = "ledger"
DAY = "day"
DELIVERIES = "deliveries"
ALARMS = "alarms"
STATUS = "status"
PUMPS = "pumps"
TANKS = "tanks"
PRICES = "prices"
COMMANDS = "commands"
SEALS = "seals"
#: What the console itself publishes; the worker hears it back.
OUTGOING = frozenset({COMMANDS, SEALS})
#: Stands for the lane of a topic that is in another worker's share.
ELSEWHERE = "elsewhere"
#: What a worker lets pass.
PASSED_BY = OUTGOING | {ELSEWHERE}

_PLAIN_LANES = frozenset({LEDGER, DAY, DELIVERIES, ALARMS, STATUS, PRICES, *OUTGOING})
_NUMBERED_LANES = frozenset({PUMPS, TANKS})
_DEVICE_NUMBER_MAX = 32_767
_DEVICE_DIGITS_MAX = 5
#: How many topics are remembered; a fleet of 3,000 sites uses about 100,000.
CACHE_TOPICS_MAX = 200_000


class Route(NamedTuple):
    """A topic taken apart. `problem` says why it is none of the contract's, else it is empty."""

    topic: str
    site_code: str
    lane: str
    device: int
    problem: str


class Share(NamedTuple):
    """A worker's share of the sites: the `number`th of `of` shares, counted from 1."""

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Share:
        """Read `K/N`. ValueError if it is none."""
        number, _, of = text.partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise ValueError(f"{text!r} is no share K/N, such as 1/2 and 2/2")
        return cls(int(number), int(of))

    @property
    def suffix(self) -> str:
        """What tells apart the names of workers that divide the sites."""
        return "" if self.of == 1 else f"-{self.number}-of-{self.of}"

    def has(self, route: Route) -> bool:
        """Tell whether a topic is in the share. Each topic, the unknown included, is in just one.

        All topics of a site are in the same, so no two workers write one site's days.
        """
        return zlib.crc32((route.site_code or route.topic).encode()) % self.of == self.number - 1


#: The share of a worker that divides the sites with nobody.
ALL_SITES = Share()


class TopicTable:
    """Routes by topic, remembered, because a fleet says the same topics all day.

    Only the contract's topics are: they are short, while others may be 64 KiB long and never the
    same. A topic outside the share has the lane ELSEWHERE.
    """

    def __init__(self, share: Share = ALL_SITES) -> None:
        self._share = share
        self._routes: dict[bytes, Route] = {}

    def route(self, topic: bytes) -> Route:
        """Return the route of a topic as it stands on the wire."""
        route = self._routes.get(topic)
        if route is None:
            route = parse_topic(topic)
            is_known = not route.problem
            if not self._share.has(route):
                route = route._replace(lane=ELSEWHERE, problem="")
            if is_known:
                if len(self._routes) >= CACHE_TOPICS_MAX:
                    self._routes.clear()
                self._routes[topic] = route
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
        is_number = number.isascii() and number.isdigit() and len(number) <= _DEVICE_DIGITS_MAX
        if is_number and int(number) <= _DEVICE_NUMBER_MAX:
            return Route(topic, code, lane, int(number), "")
        return Route(topic, code, lane, 0, f"{number!r} is no device number (0 to 32767)")
    return Route(topic, code, lane, 0, f"no lane {'/'.join(levels[3:])!r} in the contract")
