"""The seals that simulated sites were sent: each keeps all of them, whatever the broker forgets.

They stand in one file beside the state of the fleet, in the form of `ledger.seal_series`, so that
`verify_ledger --against` compares with it. A seal that is sent again is kept once; another one of a
day that has a seal is kept beside it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import Path

import msgspec

from ingest import contract
from ledger.seal_series import SEAL_LINE, has_series, line_of, lines_append, series_lines

logger = logging.getLogger(__name__)

_decode = msgspec.json.Decoder(contract.Seal).decode


class KeptSeals:
    """The seals of a fleet. SeriesError where the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: By site, Z number and fiscal day.
        self._known: defaultdict[tuple[str, int, str], set[str]] = defaultdict(set)
        if has_series(path):
            for _, _, told in series_lines(path):
                if told and told["line"] == SEAL_LINE:
                    key = (told["site"], told["z_number"], told["fiscal_day"])
                    self._known[key].add(told["seal"])

    def keep(self, site_code: str, payload: bytes) -> None:
        """Keep what a site was sent on its topic."""
        try:
            seal = _decode(payload)
        except msgspec.MsgspecError as error:
            logger.warning("%s: a seal that is none: %s", site_code, error)
            return
        known = self._known[site_code, seal.z_number, seal.fiscal_day.isoformat()]
        if seal.seal in known:
            return
        if known:
            logger.warning(
                "%s: another seal of %s; both are kept", site_code, seal.fiscal_day.isoformat()
            )
        stated = {
            name: value for name, value in msgspec.to_builtins(seal).items() if value is not None
        }
        told = {"line": SEAL_LINE, "site": site_code, **stated}
        lines_append(self._path, [line_of(told)])
        known.add(seal.seal)
