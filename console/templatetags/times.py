"""Times as programs read them."""

from __future__ import annotations

import datetime

from django import template

register = template.Library()


@register.filter
def machine_time(at: datetime.datetime | None) -> str:
    """`datetime="{{ entry.occurred_at|machine_time }}"`: a time as HTML takes it; none if unknown.

    HTML takes three decimals of a second at most, and no seconds in an offset, which zones have
    before they kept whole minutes. In UTC no time falls off the ends of the calendar either.
    """
    # A template gives an empty text for an attribute of None.
    if not at:
        return ""
    digits = "milliseconds" if at.microsecond else "seconds"
    return at.astimezone(datetime.UTC).isoformat(timespec=digits)
