"""The HTML of the fragments: the same for the page, the stream and the poll."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import lru_cache, partial

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.template.loader import render_to_string
from django.utils import translation

from console.day_view import DayView
from console.fragments import DayFragment, NetworkFragment, SiteFragment
from console.live.topics import DayTopic, SiteTopic, Topic
from console.models import User
from console.network_view import NetworkView
from console.site_view import SiteView
from ledger.models import FiscalDay, Site

logger = logging.getLogger(__name__)

#: So many pieces that change seldom are kept as they were rendered.
KEPT_MAX = 16


def site_fragment_html(fragment: SiteFragment, view: SiteView) -> str:
    """Render a piece of a site's page in the language that is active."""
    return render_to_string(fragment.template, fragment.context(view)).strip()


def day_fragment_html(fragment: DayFragment, view: DayView) -> str:
    """Render a piece of a fiscal day's page in the language that is active."""
    return render_to_string(fragment.template, fragment.context(view)).strip()


def network_fragment_html(fragment: NetworkFragment, view: NetworkView) -> str:
    """Render a piece of the network page in the language that is active."""
    context = fragment.context(view)
    # While templates are edited nothing is kept of them.
    if not fragment.is_kept or settings.DEBUG:
        return render_to_string(fragment.template, context).strip()
    return _kept(fragment.template, tuple(context.items()), translation.get_language())


@lru_cache(maxsize=KEPT_MAX)
def _kept(template: str, context: tuple[tuple[str, Hashable], ...], language: str | None) -> str:
    """Render what looks the same with the same context. `language` is the one that is active."""
    return render_to_string(template, dict(context)).strip()


@dataclass(frozen=True, slots=True)
class TopicFragment:
    """A piece of a topic that is still to be rendered, in the topic's language."""

    name: str
    language: str
    render: Callable[[], str]


def topic_fragments(topic: Topic) -> list[TopicFragment]:
    """Return the fragments of a topic, in the order of their page, to be rendered one by one.

    They share one look at what is behind them. Site.DoesNotExist if the site is gone
    (FiscalDay.DoesNotExist for a day, User.DoesNotExist for its person), OperationalError or
    InterfaceError while the database is away.
    """
    return [
        TopicFragment(name, topic.language, render)
        for name, render in _renderings_of(topic).items()
    ]


def fragment_html(fragment: TopicFragment) -> str | None:
    """Render one fragment. One that fails is logged and is None, to be counted: the others go on.

    OperationalError or InterfaceError while the database is away.
    """
    try:
        with translation.override(fragment.language):
            return fragment.render()
    except (InterfaceError, OperationalError):
        raise
    except Exception:
        logger.exception("Could not render the fragment %s", fragment.name)
        return None


def _renderings_of(topic: Topic) -> dict[str, Callable[[], str]]:
    # Imported late: the pages render their fragments with this module.
    from console.views.day import DAY_FRAGMENTS, DAY_PEOPLE
    from console.views.network import NETWORK_FRAGMENTS
    from console.views.site import SITE_FRAGMENTS

    if isinstance(topic, SiteTopic):
        site_view = SiteView(Site.objects.select_related("status").get(id=topic.site_id))
        return {
            name: partial(site_fragment_html, fragment, site_view)
            for name, fragment in SITE_FRAGMENTS.items()
        }
    if isinstance(topic, DayTopic):
        days = FiscalDay.objects.select_related("site", *DAY_PEOPLE)
        day = days.get(pk=(topic.site_id, topic.fiscal_day))
        day_view = DayView(day, User.objects.get(pk=topic.person_id))
        return {
            name: partial(day_fragment_html, fragment, day_view)
            for name, fragment in DAY_FRAGMENTS.items()
        }
    view = NetworkView(topic.site_ids)
    return {
        name: partial(network_fragment_html, fragment, view)
        for name, fragment in NETWORK_FRAGMENTS.items()
    }
