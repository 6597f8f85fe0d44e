"""The pieces of pages that change by themselves: each is streamed, polled and part of its page.

A fragment is one template and one context, a full snapshot, so that a lost update heals with the
next. Its name is the id of its element, the name of its Server-Sent Event and of its partial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from console.day_view import DayView
    from console.network_view import NetworkView
    from console.site_view import SiteView

#: The sites a network fragment speaks of: None stands for all of them.
SiteIds = frozenset[int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteFragment:
    """A piece of a site's page."""

    name: str
    template: str
    context: Callable[[SiteView], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFragment:
    """A piece of a fiscal day's page."""

    name: str
    template: str
    context: Callable[[DayView], dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFragment:
    """A piece of the network page.

    One that `is_kept` has a hashable context and is rendered once for all who get the same.
    """

    name: str
    template: str
    is_kept: bool = False
    context: Callable[[NetworkView], dict[str, Any]]
