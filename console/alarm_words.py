"""What alarm codes mean, in the reader's language.

The contract leaves codes to the site; these are the ones that controllers of this field report,
however they spell them: low_product, LowProduct and low-product are one. Any other is shown as it
came.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_WORDS: dict[str, Promise] = {
    "lowproduct": _("product low"),
    "criticallowproduct": _("product critically low"),
    "highproduct": _("product high"),
    "criticalhighproduct": _("product critically high"),
    "highwater": _("water high"),
    "tankleakage": _("tank leaks"),
    "leak": _("leak"),
    "inoperative": _("inoperative"),
    "offline": _("offline"),
}
_DEVICES: dict[str, Promise] = {
    "tank": _("Tank"),
    "fuellingpoint": _("Fuelling point"),
    "pump": _("Fuelling point"),
    "nozzle": _("Nozzle"),
    "controller": _("Controller"),
}


def alarm_words(code: str) -> str:
    """Return what a code says; the code itself where nobody knows."""
    return str(_WORDS.get(_key(code), code))


def device_words(device: str) -> str:
    """Return how people call a kind of device; as the site calls it where nobody knows."""
    return str(_DEVICES.get(_key(device), device))


def _key(code: str) -> str:
    return "".join(letter for letter in code.lower() if letter.isalnum())
