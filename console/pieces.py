"""The live pieces of a page as it first shows them; the stream and the poll send the same."""

from __future__ import annotations

from dataclasses import dataclass

from console.day_view import DayView
from console.fragments import DayFragment, NetworkFragment, SiteFragment
from console.live.render import day_fragment_html, network_fragment_html, site_fragment_html
from console.network_view import NetworkView
from console.site_view import SiteView


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A rendered fragment (`templates/console/_live.html`)."""

    name: str
    html: str


def site_pieces(fragments: dict[str, SiteFragment], view: SiteView) -> dict[str, Piece]:
    """Render all pieces of a site's page by their names."""
    return {
        name: Piece(
            name=name,
            html=site_fragment_html(fragment, view),
        )
        for name, fragment in fragments.items()
    }


def day_pieces(fragments: dict[str, DayFragment], view: DayView) -> dict[str, Piece]:
    """Render all pieces of a fiscal day's page by their names."""
    return {
        name: Piece(
            name=name,
            html=day_fragment_html(fragment, view),
        )
        for name, fragment in fragments.items()
    }


def network_pieces(fragments: dict[str, NetworkFragment], view: NetworkView) -> dict[str, Piece]:
    """Render all pieces of the network page by their names."""
    return {
        name: Piece(
            name=name,
            html=network_fragment_html(fragment, view),
        )
        for name, fragment in fragments.items()
    }
