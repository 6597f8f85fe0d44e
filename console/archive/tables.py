"""The files of an archive: what each holds, which rows, and what its columns mean.

Types, units, lengths and codes come from the models; what they do not know is said here, in words
for somebody who has nothing but the archive. A test asserts that each column is described.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import models

from console.models import User
from ledger.models import (
    AuditEvent,
    AuditLink,
    Correction,
    CorrectionPosting,
    DaySeal,
    DayTotal,
    DeclaredTotal,
    Delivery,
    Dip,
    Entry,
    Explanation,
    FiscalDay,
    FuellingPoint,
    HourTotal,
    MonthHourTotal,
    MonthPaymentTotal,
    MonthSum,
    MonthTotal,
    Nozzle,
    PaymentTotal,
    Product,
    Quarantine,
    QuarantineDecision,
    Site,
    Tank,
    Totalizer,
)

#: Rows of a site, of any time.
_OF_SITE = "(%(site_ids)s::smallint[] IS NULL OR t.site_id = ANY(%(site_ids)s::smallint[]))"
#: Rows of the period.
_IN_PERIOD = f"{_OF_SITE} AND t.fiscal_day BETWEEN %(first)s::date AND %(last)s::date"
_OF_CORRECTED = (
    "(t.site_id, t.fiscal_day, t.sequence) IN (SELECT site_id, fiscal_day, sequence FROM corrected)"
)
_OF_DAY = "(t.site_id, t.fiscal_day) IN (SELECT site_id, fiscal_day FROM day)"
_OF_MONTH = (
    f"{_OF_SITE} AND t.month BETWEEN date_trunc('month', %(first)s::date::timestamp)::date"
    " AND %(last)s::date"
)

DAY = ("site", "fiscal_day")
ENTRY = (*DAY, "sequence")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """These columns name a row of another file, by these columns of it."""

    columns: tuple[str, ...]
    file: str
    to: tuple[str, ...]


_SITE = Reference(columns=("site",), file="site", to=("code",))
_TO_DAY = Reference(columns=DAY, file="fiscal_day", to=DAY)


def _person(column: str) -> Reference:
    return Reference(columns=(column,), file="person", to=("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A file that holds rows of one table: all that `where` leaves, behind archive_scope.sql.

    `columns` says what each column of the model means; those that are not in it are not in the
    file. A column `site_id` stands there as the site's code, under the name `site`.
    """

    name: str
    model: type[models.Model]
    about: str
    where: str
    columns: Mapping[str, str]
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A file that is made for the archive. `columns` have type, and what they mean."""

    name: str
    about: str
    columns: Mapping[str, tuple[str, str]]
    key: tuple[str, ...]
    references: tuple[Reference, ...] = ()
    nullable: frozenset[str] = field(default_factory=frozenset)


_KEY_OF_DAY = {
    "site_id": "code of the site",
    "fiscal_day": "the fiscal day: opened and closed by the site, may run over midnight",
}
_KEY_OF_MONTH = {"site_id": "code of the site", "month": "first day of the calendar month"}
_VALUES = {
    "kind": "sale, refund, test or drive-off; only sales and refunds are turnover",
    "occurred_at": "when the site says that it happened",
    "product": "code of the product",
    "amount": "gross, in the site's currency; negative for a refund",
    "volume": "litres at the pump's conditions, NULL for what has none",
    "volume_15c": "litres at 15 degrees Celsius, NULL where it is not known",
    "unit_price": "gross price of a litre",
    "tax_rate": "the tax rate within the amount, NULL where none was given",
    "fuelling_point": "number of the fuelling point",
    "nozzle": "number of the nozzle at its fuelling point",
    "tank": "number of the tank",
    "payment": "how it was paid, NULL where none was given",
    "device_transaction": "the pump's own number of the transaction",
    "totalizer": "the nozzle's meter that never resets, after the entry",
    "offline": "whether the pump ran stand-alone",
}
_ENTRY = {
    **_KEY_OF_DAY,
    "sequence": "the entry's number within its fiscal day, from 1 without a gap",
    **_VALUES,
    "received_at": "when the ledger received it, or when it was entered by hand (flag 64)",
    "flags": "what looks wrong about it: the sum of the codes of the list entry.flags",
}
_MEASURES = {
    "count": "how many entries",
    "volume": "sum of their litres, NULL counting as 0",
    "amount": "sum of their gross amounts",
}
_GOODS = {
    "product": "code of the product",
    "kind": "kind of the entries",
    "tax_rate": "their tax rate; -1.00 for entries that gave none",
    **_MEASURES,
    "tax": "sum of the tax within each entry, each rounded by itself",
}
_PAID = {
    "payment": "their payment; 0 for entries that gave none",
    "kind": "kind of the entries",
    **_MEASURES,
}
_HOURS = {
    "hour": "hour (0 to 23) of the site's own clock at occurred_at; sales and refunds only",
    **_MEASURES,
}
_TOTALS = "Kept as entries came in; corrections are not in it (see correction_posting)."

TABLES: tuple[Table, ...] = (
    Table(
        name="site",
        model=Site,
        about="The sites, as they are set up now. The rows of all other files follow their order.",
        where="(%(site_ids)s::smallint[] IS NULL OR t.id = ANY(%(site_ids)s::smallint[]))",
        columns={
            "id": "the site's number in the database; nothing else in the archive says it",
            "code": "what names the site everywhere",
            "name": "its name",
            "brand": "its brand",
            "address": "street and number",
            "city": "city",
            "postcode": "postcode",
            "country": "country",
            "latitude": "degrees north",
            "longitude": "degrees east",
            "timezone": "the time zone of its clock, by its name in the IANA database",
            "currency": "ISO 4217 code of the currency of all its amounts",
            "source_id": "its identifier in the register that it was imported from",
            "is_closed": "whether it is closed for trade",
            "stale_after_s": "seconds after which its data counts as stale",
            "cutoff": "by this time of the following day a fiscal day is to be closed",
            "correction_limit": "a correction that moves more takes a second person; NULL: none",
            "wet_stock_daily_permille": "wet stock of a day may vary by so much of the throughput",
            "wet_stock_daily_litres": "litres that are allowed on top",
            "wet_stock_monthly_permille": "the same of the month so far",
            "wet_stock_monthly_litres": "litres that are allowed on top",
            "first_fiscal_day": "no fiscal day before it is taken",
            "created_at": "when it was registered",
        },
    ),
    Table(
        name="product",
        model=Product,
        about="What each site sells, and for how much now.",
        where=_OF_SITE,
        columns={
            "site_id": "code of the site",
            "code": "code of the product",
            "name": "its name",
            "family": "what kind of product it is",
            "unit_price": "gross price of a litre",
            "tax_rate": "the tax rate within it",
        },
        references=(_SITE,),
    ),
    Table(
        name="fuelling_point",
        model=FuellingPoint,
        about="The fuelling points of each site now.",
        where=_OF_SITE,
        columns={"site_id": "code of the site", "number": "its number", "bay": "its bay"},
        references=(_SITE,),
    ),
    Table(
        name="nozzle",
        model=Nozzle,
        about="The nozzles of each site now. Those of a sealed day stand in its sealed document.",
        where=_OF_SITE,
        columns={
            "site_id": "code of the site",
            "fuelling_point": "number of its fuelling point",
            "number": "its number there",
            "product": "code of the product that it gives",
            "tank": "number of the tank that it draws from, NULL where it is not known",
        },
        references=(_SITE,),
    ),
    Table(
        name="tank",
        model=Tank,
        about="The tanks of each site now. Those of a sealed day stand in its sealed document.",
        where=_OF_SITE,
        columns={
            "site_id": "code of the site",
            "number": "its number",
            "product": "code of the product that it holds",
            "capacity": "what it holds",
            "low_mark": "below it a delivery is due",
            "high_mark": "above it nothing may be filled in",
        },
        references=(_SITE,),
    ),
    Table(
        name="fiscal_day",
        model=FiscalDay,
        about=(
            "The fiscal days of the period, and those outside of it that rows of the archive refer"
            " to: of the chain of seals, of corrected entries, and those that corrections are"
            " posted to. Only the days of the period have all their rows in the archive."
        ),
        where=_OF_DAY,
        columns={
            **_KEY_OF_DAY,
            "opened_at": "when the site says that it opened the day",
            "closed_at": "when the day was closed, by the site or by hand",
            "last_sequence": "the number of the last entry, as declared when the day was closed",
            "entry_count": "how many entries the ledger holds",
            "highest_sequence": "the highest number of them, 0 where there are none",
            "last_entry_at": "when the newest entry occurred, never later than its receipt",
            "last_received_at": "when the newest entry was received",
            "gap_since": "since when a number below the last one is known to be missing",
            "opening_digest": "SHA-256 of what the site declared as it opened the day, NULL: none",
            "closing_digest": "SHA-256 of what the site declared as it closed the day, NULL: none",
            "closed_by_id": "who closed it by hand, NULL where only the site did",
            "close_reason": "why it was closed by hand",
            "seal_proposed_at": "when somebody proposed to seal it",
            "seal_proposed_by_id": "who",
            "sealed_at": "when another person sealed it; NULL: it is not sealed",
            "sealed_by_id": "who",
            "z_number": "its place in the site's chain of seals, from 1 without a gap",
            "perpetual_total": "turnover of all days of the chain up to this one, corrections in",
            "previous_seal": "the seal of the day with the Z number before; NULL for the first",
            "seal": "SHA-256 of the sealed document (day_seal)",
        },
        references=(
            _SITE,
            _person("closed_by_id"),
            _person("seal_proposed_by_id"),
            _person("sealed_by_id"),
        ),
    ),
    Table(
        name="entry",
        model=Entry,
        about="Every entry of the days of the period, as the site sent it. Never changed.",
        where=_IN_PERIOD,
        columns=_ENTRY,
        references=(_TO_DAY,),
    ),
    Table(
        name="referred_entry",
        model=Entry,
        about=(
            "The entries of days outside of the period whose corrections are posted to it: what"
            " those corrections took out. No other entry of such a day is in the archive."
        ),
        where=f"{_OF_CORRECTED} AND NOT t.fiscal_day BETWEEN %(first)s::date AND %(last)s::date",
        columns=_ENTRY,
        references=(_TO_DAY,),
    ),
    Table(
        name="correction",
        model=Correction,
        about=(
            "The corrections of days of the period, and those posted to one, each with all"
            " revisions of its entry: proposed, approved, rejected and withdrawn."
        ),
        where=_OF_CORRECTED,
        columns={
            **_KEY_OF_DAY,
            "sequence": "the number of the corrected entry",
            "revision": "counts the corrections of the entry from 1",
            **{name: f"as it should be: {text}" for name, text in _VALUES.items()},
            "action": "whether it corrects, voids, or adds an entry that the site cannot send",
            "reason": "why",
            "note": "why, in words",
            "author_id": "who proposed it",
            "proposed_at": "when",
            "needs_approval": "whether it took a second person",
            "status": "what became of it; only approved ones count",
            "decided_by_id": "who decided; the author where no second person was needed",
            "decided_at": "when",
            "decision_note": "a note on the decision",
            "posted_to": "the fiscal day whose totals it moves, NULL unless it is approved",
        },
        references=(
            _TO_DAY,
            _person("author_id"),
            _person("decided_by_id"),
        ),
    ),
    Table(
        name="correction_posting",
        model=CorrectionPosting,
        about="What each approved correction takes out of the totals of a day and puts in.",
        where=_OF_CORRECTED,
        columns={
            **_KEY_OF_DAY,
            "sequence": "the number of the corrected entry",
            "revision": "the revision that it belongs to",
            "side": "-1 takes out what counted before, 1 puts in what counts from then on",
            "posted_to": "the fiscal day whose totals it moves",
            "kind": "kind of what is moved",
            "product": "product of what is moved",
            "tax_rate": "its tax rate, NULL where it has none",
            "payment": "its payment, NULL where it has none",
            "fuelling_point": "its fuelling point",
            "nozzle": "its nozzle",
            "tank": "its tank",
            "hour": "the hour of the site's own clock at which it occurred, whatever its kind",
            "count": "the side",
            "volume": "side times its litres, NULL counting as 0",
            "amount": "side times its amount",
            "tax": "side times its tax",
        },
        references=(
            Reference(columns=(*ENTRY, "revision"), file="correction", to=(*ENTRY, "revision")),
            Reference(columns=("site", "posted_to"), file="fiscal_day", to=DAY),
        ),
    ),
    Table(
        name="day_total",
        model=DayTotal,
        about=f"What the entries of a day add up to by product, kind and tax rate. {_TOTALS}",
        where=_IN_PERIOD,
        columns={**_KEY_OF_DAY, **_GOODS},
        references=(_TO_DAY,),
    ),
    Table(
        name="payment_total",
        model=PaymentTotal,
        about=f"What the entries of a day add up to by payment and kind. {_TOTALS}",
        where=_IN_PERIOD,
        columns={**_KEY_OF_DAY, **_PAID},
        references=(_TO_DAY,),
    ),
    Table(
        name="hour_total",
        model=HourTotal,
        about=f"The turnover (sales and refunds) of a day by hour of the site's clock. {_TOTALS}",
        where=_IN_PERIOD,
        columns={**_KEY_OF_DAY, **_HOURS},
        references=(_TO_DAY,),
    ),
    Table(
        name="declared_total",
        model=DeclaredTotal,
        about="The turnover that the site itself declared as it closed the day.",
        where=_IN_PERIOD,
        columns={
            **_KEY_OF_DAY,
            "product": "code of the product",
            "count": "entries, as declared",
            "volume": "litres, as declared",
            "amount": "gross amount, as declared",
        },
        references=(_TO_DAY,),
    ),
    Table(
        name="totalizer",
        model=Totalizer,
        about="The nozzles' meters that never reset, as the site read them.",
        where=_IN_PERIOD,
        columns={
            **_KEY_OF_DAY,
            "fuelling_point": "number of the fuelling point",
            "nozzle": "number of the nozzle",
            "product": "code of the product, as it was declared first",
            "opening": "as the day opened, NULL where it was not read",
            "closing": "as the day closed, NULL where it was not read",
        },
        references=(_TO_DAY,),
    ),
    Table(
        name="dip",
        model=Dip,
        about="What each tank held, as the site measured it.",
        where=_IN_PERIOD,
        columns={
            **_KEY_OF_DAY,
            "tank": "number of the tank",
            "product": "code of the product, as it was declared first",
            "opening_volume": "as the day opened",
            "opening_water": "water then",
            "opening_temperature": "temperature then",
            "closing_volume": "as the day closed",
            "closing_water": "water then",
            "closing_temperature": "temperature then",
        },
        references=(_TO_DAY,),
    ),
    Table(
        name="delivery",
        model=Delivery,
        about=(
            "Tanker drops, of the period and of the day around it. A sealed day counts those that"
            " name it; any other day those of its time that no sealed day took."
        ),
        where=(
            f"{_OF_SITE} AND (t.at >= %(first)s::date - 1 AND t.at < %(last)s::date + 2"
            " OR t.fiscal_day BETWEEN %(first)s::date AND %(last)s::date)"
        ),
        columns={
            "site_id": "code of the site",
            "tank": "number of the tank",
            "at": "when, by the site",
            "product": "code of the product",
            "volume": "litres at the tank's conditions",
            "volume_15c": "litres at 15 degrees Celsius, NULL where it is not known",
            "document": "number of the delivery note",
            "received_at": "when the ledger received it",
            "fiscal_day": "the sealed fiscal day that counts it, NULL while none does",
        },
        references=(_SITE,),
    ),
    Table(
        name="explanation",
        model=Explanation,
        about="Why differences of a day are as they are, by somebody who looked into it.",
        where=_IN_PERIOD,
        columns={
            **_KEY_OF_DAY,
            "number": "counts the explanations of the day from 1",
            "subject": "what differs",
            "key": "of which: a product, a nozzle (3/1), a tank; empty for the day as a whole",
            "difference": "the difference as it was then, in words and figures",
            "reason": "why it is as it is",
            "note": "why, in words",
            "author_id": "who says so",
            "at": "when",
        },
        references=(_TO_DAY, _person("author_id")),
    ),
    Table(
        name="day_seal",
        model=DaySeal,
        about="What each seal was made over, and its signature: of all days in fiscal_day.",
        where=_OF_DAY,
        columns={
            **_KEY_OF_DAY,
            "document": "the sealed document, whose SHA-256 is the seal",
            "entry_marks": (
                "8 bytes an entry, in hexadecimal: its sequence in 4 bytes (the highest first) and"
                " the first 4 bytes of the SHA-256 of its line"
            ),
            "trail_number": "number of the newest link of the audit trail before it was sealed",
            "trail_digest": "digest of that link",
            "key_id": "the key that signed, empty where nothing was signed (public_key)",
            "signature": "the Ed25519 signature, NULL where nothing was signed",
        },
        references=(_TO_DAY,),
    ),
    Table(
        name="month_sum",
        model=MonthSum,
        about="How many entries the sums of a month were made of, of those months that have sums.",
        where=_OF_MONTH,
        columns={**_KEY_OF_MONTH, "entries": "entries of the month when it was summed up"},
        references=(_SITE,),
    ),
    Table(
        name="month_total",
        model=MonthTotal,
        about="The day totals of a month added up, which reports of long periods read.",
        where=_OF_MONTH,
        columns={**_KEY_OF_MONTH, **_GOODS},
        references=(_SITE,),
    ),
    Table(
        name="month_payment_total",
        model=MonthPaymentTotal,
        about="The payment totals of a month added up.",
        where=_OF_MONTH,
        columns={**_KEY_OF_MONTH, **_PAID},
        references=(_SITE,),
    ),
    Table(
        name="month_hour_total",
        model=MonthHourTotal,
        about="The hour totals of a month added up.",
        where=_OF_MONTH,
        columns={**_KEY_OF_MONTH, **_HOURS},
        references=(_SITE,),
    ),
    Table(
        name="quarantine",
        model=Quarantine,
        about=(
            "Messages of sites that the ledger did not take, of the period and the day around it,"
            " and those that they are replays of."
        ),
        where="t.id IN (SELECT id FROM message)",
        columns={
            "id": "its number",
            "first_received_at": "when it came first",
            "last_received_at": "when it came last",
            "seen": "how often the same bytes came",
            "topic": "the MQTT topic",
            "site_id": "code of the site, NULL where it is not known",
            "reason": "why it was not taken",
            "detail": "exactly why",
            "item_index": "its place in the array that it came in, from 0; NULL: it came alone",
            "fiscal_day": "the fiscal day that it names",
            "sequence": "the number that it names",
            "raw": "the bytes as they came, of too many only the first",
            "raw_size": "how many bytes came",
            "digest": "SHA-256 that tells it from others: of topic, reason and bytes",
            "outcome": "what became of it",
            "replay_of_id": "the message that it is a replay of",
            "replayed_at": "when the worker took it up again",
            "replayed_by": "the name of the worker",
            "replay_stored": "entries and events that were stored then",
            "replay_duplicates": "those that were there already",
            "replay_quarantined": "those that were quarantined again",
        },
        references=(
            _SITE,
            Reference(columns=("replay_of_id",), file="quarantine", to=("id",)),
        ),
    ),
    Table(
        name="quarantine_decision",
        model=QuarantineDecision,
        about="What people decided about those messages.",
        where="t.quarantine_id IN (SELECT id FROM message)",
        columns={
            "quarantine_id": "the message",
            "number": "counts the decisions about it from 1",
            "action": "what was decided",
            "decided_by_id": "who",
            "decided_at": "when",
            "note": "why",
            "payload": "the bytes that were put in place of those that came, NULL: as they came",
            "revision": "the revision of the entry that it became",
        },
        references=(
            Reference(columns=("quarantine_id",), file="quarantine", to=("id",)),
            _person("decided_by_id"),
        ),
    ),
    Table(
        name="audit_event",
        model=AuditEvent,
        about=(
            "Who did what and when: what concerns days of the period, what was recorded in it, how"
            " the sites were set up, and what belongs to no site (people, imports, adoption,"
            " ingest) where the person who asked for the archive sees all sites."
        ),
        where="t.id IN (SELECT id FROM event)",
        columns={
            "id": "its number; they grow, and numbers may be left out",
            "at": "when",
            "actor_id": "who, NULL for a program",
            "actor_name": "how the person was called then, or the name of the program",
            "action": "what was done, a code: see the list audit_event.action",
            "site_id": "code of the site, NULL where it concerns none or several",
            "fiscal_day": "the fiscal day that it concerns",
            "sequence": "the entry that it concerns",
            "subject": "what was changed, in words",
            "detail": "what changed: before and after by field, reasons, notes; as stored",
        },
        references=(_SITE, _person("actor_id")),
    ),
    Table(
        name="audit_link",
        model=AuditLink,
        about=(
            "The chain of the audit trail over the events of all sites: from the oldest that a seal"
            " or an event of the period needs up to the newest, and those of older events here."
        ),
        where=(
            "t.number >= (SELECT number FROM first_link) OR t.event_id IN (SELECT id FROM event)"
        ),
        columns={
            "number": "its place in the chain, from 1 without a gap",
            "event_id": "the event; it may be another site's, and then is not in the archive",
            "event_digest": "SHA-256 of the event's line",
            "digest": "SHA-256 of the link's line, which holds the digest of the link before",
        },
    ),
    Table(
        name="person",
        model=User,
        about="The people whose numbers stand in the archive.",
        where="t.id IN (SELECT id FROM person_named)",
        columns={
            "id": "the person's number",
            "username": "what they sign in with",
            "first_name": "first name as it is now",
            "last_name": "last name as it is now",
        },
    ),
)

_ABOUT = (
    "which one: a product; a tax rate in per cent, or 'not stated'; the code of a payment, 0 for"
    " none stated; an hour of the site's clock; fuelling point/nozzle and product"
)
_TAX_KNOWN = (
    "the tax within what states a rate; NULL where nothing does, and by payment, hour and nozzle"
)

MADE: tuple[Made, ...] = (
    Made(
        name="z_figure",
        about=(
            "The figures that the Z reports of the sealed days state: totals and what corrections"
            " posted to the day move, added up."
        ),
        columns={
            "site": ("string", "code of the site"),
            "fiscal_day": ("date", "the sealed fiscal day"),
            "part": ("string", "product, tax rate, payment, hour or nozzle"),
            "about": ("string", _ABOUT),
            "kind": ("integer", "kind of the entries; 0 for turnover, which is sales and refunds"),
            "count": ("integer", "entries"),
            "volume": ("number", "litres"),
            "amount": ("number", "gross, in the site's currency"),
            "tax": ("number", _TAX_KNOWN),
        },
        key=("site", "fiscal_day", "part", "about", "kind"),
        references=(_TO_DAY,),
        nullable=frozenset({"tax"}),
    ),
    Made(
        name="clock",
        about=(
            "How far the clocks of a time zone are ahead of UTC, from when on: all changes between"
            " the oldest and the newest time that an entry or a correction here states."
        ),
        columns={
            "timezone": ("string", "the time zone, as site.timezone names it"),
            "from_at": ("datetime", "from this moment on, until that of the row after"),
            "ahead_s": ("integer", "seconds ahead of UTC; negative: behind it"),
        },
        key=("timezone", "from_at"),
    ),
    Made(
        name="public_key",
        about="The public keys that the signatures of seals are verified with.",
        columns={
            "key_id": ("string", "its name, as day_seal.key_id says it"),
            "public_key": ("string", "the 32 bytes of the Ed25519 public key, in hexadecimal"),
        },
        key=("key_id",),
    ),
    Made(
        name="code_list",
        about="The codes of all columns that hold codes.",
        columns={
            "list": ("string", "the file and the column: entry.kind"),
            "code": ("string", "the code as the column has it"),
            "meaning": ("string", "what it stands for"),
        },
        key=("list", "code"),
    ),
)
