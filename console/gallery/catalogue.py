"""What the gallery shows: every partial, component, form and widget, and its fixture.

The fixture of `templates/console/_tank.html` is `templates/console/_tank.gallery.toml`; that of the
form `EntryFilterForm` is `templates/forms/EntryFilterForm.gallery.toml`. Values that several share
are in `templates/shared.gallery.toml`. `templates/README.md` tells how they are written.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.text import slugify

from console.gallery.known_types import known_forms
from console.gallery.values import FixtureError, merged
from console.template_contract import Contract, ContractError, read_contract

SUFFIX = ".gallery.toml"
#: Where the gallery looks, in the order in which it shows them.
PATTERNS = (
    ("console", "console/**/_*.html"),
    ("attention", "console/attention/*.html"),
    ("components", "components/*.html"),
    ("forms", "forms/*.html"),
    ("widgets", "django/forms/**/*.html"),
)
#: What a template's own element must stand in: a row in a table, an item in a list, and so on.
WRAPS = ("none", "row", "cell", "item", "text", "form", "options", "listbox")
#: Where the samples lie from which the forms and widgets are shown.
FORM_FOLDER = "forms"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A state to show: its name, and the plain values of its context."""

    title: str
    values: dict[str, Any]

    @property
    def slug(self) -> str:
        """Its name in addresses."""
        return slugify(self.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A template, or a form shown whole, with its contract and its states.

    `problem` says why it cannot be shown; there are no states then.
    """

    name: str
    group: str
    form: str = ""
    contract: Contract = field(default_factory=lambda: Contract(summary="", names=()))
    states: tuple[State, ...] = ()
    wrap: str = "none"
    problem: str = ""

    @property
    def template(self) -> str:
        """The name by which the template is loaded."""
        return "gallery/form.html" if self.form else f"{self.name}.html"

    @property
    def title(self) -> str:
        """Its file's name without the folder and the ending."""
        return self.name.rpartition("/")[2]

    @property
    def fixture(self) -> str:
        """Where its fixture lies, below the project's folder."""
        return f"templates/{self.name}{SUFFIX}"

    def state(self, slug: str) -> State | None:
        """Return the state of this name."""
        return next((state for state in self.states if state.slug == slug), None)


def templates_folder() -> Path:
    """Return the folder of all templates."""
    configured: dict[str, Any] = settings.TEMPLATES[0]
    return Path(configured["DIRS"][0])


def catalogue() -> list[Exhibit]:
    """Return everything that is to be shown, also what has no fixture yet."""
    folder = templates_folder()
    found: dict[str, Exhibit] = {}
    for group, pattern in PATTERNS:
        for path in sorted(folder.glob(pattern)):
            name = path.relative_to(folder).with_suffix("").as_posix()
            if name in found:
                if group == "attention":
                    found[name] = _exhibit(folder, name, group)
            elif group != "console" or "/attention/" not in path.as_posix():
                found[name] = _exhibit(folder, name, group)
    for form in sorted(known_forms()):
        name = f"{FORM_FOLDER}/{form}"
        found[name] = _exhibit(folder, name, "forms", form=form)
    order = {group: place for place, (group, _pattern) in enumerate(PATTERNS)}
    return sorted(found.values(), key=lambda each: (order[each.group], each.form != "", each.name))


def exhibit(name: str) -> Exhibit | None:
    """Return what is of this name."""
    return next((each for each in catalogue() if each.name == name), None)


def strays() -> list[str]:
    """Return the fixtures that belong to no template and to no form."""
    folder = templates_folder()
    known = {each.fixture.removeprefix("templates/") for each in catalogue()} | {f"shared{SUFFIX}"}
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}"))
    return sorted(path for path in paths if path not in known)


def shared_values() -> dict[str, Any]:
    """Return what fixtures may name with an @; FixtureError if it cannot be read."""
    return _read(templates_folder() / f"shared{SUFFIX}")


def _exhibit(folder: Path, name: str, group: str, *, form: str = "") -> Exhibit:
    contract = Contract(summary="", names=())
    try:
        if form:
            contract = read_contract("{# Every field of the form. context: form (" + form + ") #}")
        else:
            contract = read_contract((folder / f"{name}.html").read_text())
        fixture = _read(folder / f"{name}{SUFFIX}")
        wrap, states = _states(fixture)
    except (ContractError, FixtureError) as error:
        return Exhibit(name=name, group=group, form=form, contract=contract, problem=str(error))
    return Exhibit(name=name, group=group, form=form, contract=contract, states=states, wrap=wrap)


def _read(path: Path) -> dict[str, Any]:
    where = path.relative_to(templates_folder().parent).as_posix()
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise FixtureError(
            f"There is no fixture. Make a file {where} with a table for each state, "
            "for example:\n\n"
            '[states."Filled"]\nsite = "@site"\n\n'
            "templates/README.md tells how they are written."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise FixtureError(f"{where} cannot be read: {error}") from error


def _states(fixture: dict[str, Any]) -> tuple[str, tuple[State, ...]]:
    for name in fixture.keys() - {"common", "states", "wrap"}:
        raise FixtureError(f"A fixture has wrap, [common] and [states], but no “{name}”.")
    wrap = fixture.get("wrap", "none")
    if wrap not in WRAPS:
        raise FixtureError(f"wrap = “{wrap}” is none of {', '.join(WRAPS)}.")
    common = fixture.get("common", {})
    states = tuple(
        State(title=title, values=merged(common, values))
        for title, values in fixture.get("states", {}).items()
    )
    if not states:
        raise FixtureError('It has no state. Add one: [states."Filled"]')
    if len({state.slug for state in states}) < len(states):
        raise FixtureError("Two states have names that differ in their signs alone.")
    return wrap, states
