"""What a correction would do to a day's totals, before it is made."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ledger.models import FiscalDay, Kind
from ledger.selectors.figures import day_figures
from ledger.selectors.measures import Measure, measure_of
from ledger.services.corrections import CorrectionError, approval_is_needed, posting_day
from ledger.tax import tax_of

#: What an entry states before and after; None where it counts for nothing.
Pair = tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """One product's total of one kind, before and after, in litres and the site's currency."""

    product: str
    kind: Kind
    before: Measure = field(default_factory=Measure)
    after: Measure = field(default_factory=Measure)

    @property
    def moved(self) -> Measure:
        """What is added; negative for what is taken away."""
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What corrections would move, and how.

    `posted_to` is the fiscal day whose totals they move, None while there is none that could;
    `problem` then says why. `rows` are the totals that change.
    """

    day: FiscalDay
    rows: list[EffectRow] = field(default_factory=list)
    posted_to: datetime.date | None = None
    problem: str = ""
    needs_approval: bool = False

    @property
    def is_posted_elsewhere(self) -> bool:
        """Whether it moves another day's totals than the entry's own."""
        return self.posted_to is not None and self.posted_to != self.day.fiscal_day


def moved_by(pairs: Iterable[Pair]) -> dict[tuple[str, int], Measure]:
    """Return what changes move in the totals, by product and kind. No query."""
    moved: dict[tuple[str, int], Measure] = {}
    for before, after in pairs:
        for side, values in ((-1, before), (1, after)):
            if values is None:
                continue
            key = (values["product"], values["kind"])
            moved[key] = moved.get(key, Measure()) + _signed(side, values)
    return moved


def moved_rows(pairs: Iterable[Pair]) -> list[EffectRow]:
    """Return what changes move, each row beginning at nothing. No query."""
    return [
        EffectRow(product=product, kind=Kind(kind), after=measure)
        for (product, kind), measure in sorted(moved_by(pairs).items())
        if not measure.is_nothing
    ]


def effect_of(day: FiscalDay, pairs: Iterable[Pair], *, wants_approval: bool = False) -> Effect:
    """Return what changes of entries of a day would do to totals. At most six queries."""
    pairs = list(pairs)
    needs_approval = wants_approval or approval_is_needed(day=day, pairs=pairs)
    try:
        posted_to = posting_day(day)
    except CorrectionError as error:
        return Effect(
            day=day, rows=moved_rows(pairs), problem=str(error), needs_approval=needs_approval
        )
    target = day
    if posted_to != day.fiscal_day:
        target = FiscalDay.objects.select_related("site").get(pk=(day.site_id, posted_to))
    totals = day_figures(target).all
    rows = [
        EffectRow(
            product=row.product,
            kind=row.kind,
            before=totals.get((row.product, row.kind), Measure()),
            after=totals.get((row.product, row.kind), Measure()) + row.after,
        )
        for row in moved_rows(pairs)
    ]
    return Effect(day=day, rows=rows, posted_to=posted_to, needs_approval=needs_approval)


def _signed(side: int, values: Mapping[str, Any]) -> Measure:
    return measure_of(
        side,
        side * (values["volume"] or Decimal(0)),
        side * values["amount"],
        side * tax_of(values["amount"], values["tax_rate"]),
        is_rated=values["tax_rate"] is not None,
    )
