"""Verifying the ledger against a copy outside of it: a series of seals (`ledger.seal_series`).

Whatever was taken out of the database or made anew in it, a copy still tells: each of its seals has
to be in the ledger as it is there, each head of its trail in the audit trail, and each seal that
was recorded before its last head has to be in the copy.
"""

from __future__ import annotations

import base64
import datetime
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from ledger import signing
from ledger.faults import Fault
from ledger.models import Site
from ledger.seal_series import (
    SEAL_LINE,
    STAMP_LINE,
    TRAIL_LINE,
    SeriesError,
    series_lines,
    trail_statement,
)
from ledger.sql import statement
from ledger.time_stamp import TimeStampError, stamp_verify, stamped_text

LINES_AT_ONCE = 1_000
#: A trail that was made anew has none of the heads, a copy of another ledger none of the seals.
FAULTS_NAMED_MAX = 20

_COMPARE = statement("series_compare")
_SHOULD_HOLD = statement("series_should_hold")
_HEADS = "SELECT number, digest FROM audit_link WHERE number = ANY(%(numbers)s)"
#: What of a seal's line has to be what the ledger says, as far as the line says it, and its words.
_STATED = {
    "previous_seal": "another previous seal",
    "perpetual_total": "another perpetual total",
    "sealed_at": "another time of its seal",
    "document": "another document",
    "key": "another key",
    "signature": "another signature",
    "trail_number": "another head of the audit trail",
    "trail_digest": "another head of the audit trail",
}


@dataclass(slots=True)
class SeriesVerdict:
    """How many seals, heads and time-stamps were looked at, and what does not agree."""

    seals: int = 0
    heads: int = 0
    stamps: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def series_verify(
    path: Path,
    *,
    sites: Collection[Site],
    first: datetime.date | None = None,
    last: datetime.date | None = None,
    are_all_sites: bool = True,
) -> SeriesVerdict:
    """Compare a copy with the ledger: seals of these sites' days from `first` to `last`.

    A site of the copy that is not among the sites is missed only where `are_all_sites`.
    """
    verdict = SeriesVerdict()
    comparison = _Comparison(path, verdict, first or datetime.date.min, last or datetime.date.max)
    wanted = {site.code for site in sites}
    try:
        lines = comparison.of_interest(None if are_all_sites else wanted)
        while batch := list(islice(lines, LINES_AT_ONCE)):
            comparison.compare(batch)
    except SeriesError as error:
        verdict.faults.append(Fault(what=str(error)))
    else:
        comparison.look_for_missing([site.pk for site in sites])
    comparison.count_the_rest()
    return verdict


class _Comparison:
    """One copy beside the ledger."""

    def __init__(
        self, path: Path, verdict: SeriesVerdict, first: datetime.date, last: datetime.date
    ) -> None:
        self._path = path
        self._verdict = verdict
        self._first, self._last = first, last
        self._keys = _known_keys()
        self._held: defaultdict[str, set[int]] = defaultdict(set)
        self._knows_trail_up_to = 0
        self._wrong = self._unverified_stamps = 0

    def of_interest(self, codes: set[str] | None) -> Iterator[dict[str, Any]]:
        """Yield the lines to compare; name those that cannot be read."""
        for file, number, told in series_lines(self._path):
            if told is None:
                self._name(Fault(what=f"line {number} of {file} cannot be read"))
            elif told["line"] in (TRAIL_LINE, STAMP_LINE):
                yield told
            elif told["line"] == SEAL_LINE:
                day = datetime.date.fromisoformat(told["fiscal_day"])
                is_meant = codes is None or told["site"] in codes
                if is_meant and self._first <= day <= self._last:
                    yield told

    def compare(self, batch: list[dict[str, Any]]) -> None:
        """Compare some lines."""
        self._compare_seals([told for told in batch if told["line"] == SEAL_LINE])
        self._compare_heads([told for told in batch if told["line"] != SEAL_LINE])

    def look_for_missing(self, site_ids: list[int]) -> None:
        """Name the seals that the copy does not hold, though it knows of the trail behind them."""
        with connection.cursor() as cursor:
            cursor.execute(
                _SHOULD_HOLD,
                {
                    "site_ids": site_ids,
                    "up_to": self._knows_trail_up_to,
                    "first": self._first,
                    "last": self._last,
                },
            )
            for site, fiscal_day, z_number in cursor:
                if z_number not in self._held[site]:
                    what = f"{self._path} does not hold seal {z_number}"
                    self._name(Fault(site=site, fiscal_day=fiscal_day, what=what))

    def count_the_rest(self) -> None:
        """Say how much more is wrong than was named."""
        if self._wrong > FAULTS_NAMED_MAX:
            more = self._wrong - FAULTS_NAMED_MAX
            what = f"{more:,} more things do not agree with {self._path}"
            self._verdict.faults.append(Fault(what=what))
        if self._unverified_stamps:
            self._verdict.notes.append(
                f"Time-stamps of {self._path} that are not verified, since TIME_STAMP_CA names no "
                f"certificates: {self._unverified_stamps:,}"
            )

    def _compare_seals(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                _COMPARE,
                {
                    "codes": [told["site"] for told in lines],
                    "days": [told["fiscal_day"] for told in lines],
                },
            )
            rows = {n: row for n, *row in cursor}
        for n, told in enumerate(lines, start=1):
            self._verdict.seals += 1
            self._held[told["site"]].add(told["z_number"])
            if what := self._wrong_with(told, rows[n]):
                day = datetime.date.fromisoformat(told["fiscal_day"])
                self._name(Fault(site=told["site"], fiscal_day=day, what=what))

    def _wrong_with(self, told: dict[str, Any], row: list[Any]) -> str:
        site_id, z_number, seal, *stated = row
        holds = f"{self._path} holds seal {told['z_number']}"
        if site_id is None:
            return f"{holds} of a site that is not registered"
        if seal is None:
            return f"{holds} of this day, which is not sealed" + self._if_signed(told)
        if (z_number, seal) != (told["z_number"], told["seal"]):
            return f"{holds} of this day, which is another one" + self._if_signed(told)
        for (name, words), present in zip(_STATED.items(), stated, strict=True):
            if name in told and not _is_same(told[name], present):
                return f"{self._path} holds {words} of this day"
        return ""

    def _if_signed(self, told: dict[str, Any]) -> str:
        """Say of a seal that the ledger does not have whether the console signed it."""
        if not told.get("key") or not told.get("signature"):
            return ""
        try:
            claim = signing.Statement(
                site_code=told["site"],
                z_number=told["z_number"],
                fiscal_day=datetime.date.fromisoformat(told["fiscal_day"]),
                seal=bytes.fromhex(told["seal"]),
                trail_number=told["trail_number"],
                trail_digest=bytes.fromhex(told["trail_digest"]),
            )
            signed = signing.Signed(told["key"], bytes.fromhex(told["signature"]))
        except (ValueError, TypeError, LookupError):
            return "; its signature cannot be read"
        if signing.is_signed(claim, signed, self._keys):
            return f"; the key {signed.key_id} signed it"
        return "; its signature is wrong"

    def _compare_heads(self, lines: list[dict[str, Any]]) -> None:
        if not lines:
            return
        with connection.cursor() as cursor:
            cursor.execute(_HEADS, {"numbers": [told["number"] for told in lines]})
            present = {number: bytes(digest).hex() for number, digest in cursor}
        for told in lines:
            self._verdict.heads += 1
            number = told["number"]
            self._knows_trail_up_to = max(self._knows_trail_up_to, number)
            if number not in present:
                what = f"link {number} of {self._path} is not in the audit trail"
            elif present[number] != told["digest"]:
                what = f"{self._path} holds another link {number} of the audit trail"
            elif told["line"] == STAMP_LINE:
                what = self._wrong_with_stamp(told)
            elif told.get("signature") and not self._is_signed_head(told):
                what = f"{self._path} holds link {number} of the audit trail with a wrong signature"
            else:
                what = ""
            if what:
                self._name(Fault(what=what))

    def _wrong_with_stamp(self, told: dict[str, Any]) -> str:
        """Return what is wrong with a time-stamp, as far as there are certificates to verify by."""
        if not settings.TIME_STAMP_CA:
            self._unverified_stamps += 1
            return ""
        try:
            response = base64.b64decode(told["response"], validate=True)
            text = stamped_text(told)
            stamp_verify(text, response, certificates=settings.TIME_STAMP_CA)
        except (ValueError, TypeError, LookupError):
            return f"{self._path} holds a time-stamp of link {told['number']} that cannot be read"
        except TimeStampError as error:
            return f"{self._path} holds a time-stamp of link {told['number']}: {error}"
        self._verdict.stamps += 1
        return ""

    def _is_signed_head(self, told: dict[str, Any]) -> bool:
        try:
            text = trail_statement(
                key_id=told["key"], number=told["number"], digest=told["digest"], at=told["at"]
            )
            signed = signing.Signed(told["key"], bytes.fromhex(told["signature"]))
        except (ValueError, TypeError, LookupError):
            return False
        return signing.is_signature(signed, text, self._keys)

    def _name(self, fault: Fault) -> None:
        self._wrong += 1
        if self._wrong <= FAULTS_NAMED_MAX:
            self._verdict.faults.append(fault)


def _is_same(told: Any, present: Any) -> bool:
    if isinstance(present, datetime.datetime):
        try:
            return datetime.datetime.fromisoformat(told) == present
        except (ValueError, TypeError):
            return False
    return told == present


def _known_keys() -> dict[str, bytes]:
    """Return the public keys; none where they cannot be read, which `trail_verify` names."""
    try:
        return signing.public_keys()
    except signing.SigningError:
        return {}
