"""A template uses what its contract names, and its contract names what it uses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.template import Template

from console.gallery.catalogue import Exhibit, catalogue, templates_folder
from console.gallery.render import GIVEN, gallery_engine
from console.template_contract import ContractError, optional_names, read_contract
from tests.template_names import used_names

TEMPLATES = [each for each in catalogue() if not each.form]


@pytest.mark.parametrize("exhibit", TEMPLATES, ids=lambda each: each.name)
def test_a_contract_names_all_that_is_used(exhibit: Exhibit) -> None:
    undeclared = used_names(exhibit.template) - set(exhibit.contract.by_name)

    assert not undeclared, (
        f"templates/{exhibit.template} uses {', '.join(sorted(undeclared))}, which its contract "
        "(the comment that it opens with) does not name. Is it misspelt? If not, add it there."
    )


@pytest.mark.parametrize("exhibit", TEMPLATES, ids=lambda each: each.name)
def test_a_contract_names_nothing_else(exhibit: Exhibit) -> None:
    source = (templates_folder() / exhibit.template).read_text()
    unused = {
        each.name
        for each in exhibit.contract.names
        if not each.is_optional and each.name not in used_names(exhibit.template)
    } - _given(source)

    assert not unused, (
        f"The contract of templates/{exhibit.template} names {', '.join(sorted(unused))}, which "
        "nothing in it uses. Take it out of the comment that the template opens with."
    )


def _given(source: str) -> set[str]:
    """What every template has may be named for its readers."""
    body = source[source.index("#}") :]
    return {name for name in GIVEN if name in body}


@pytest.mark.parametrize(
    ("source", "used"),
    [
        ("{{ tank.volume|default:low }}", {"tank", "low"}),
        ("{% if a and not b == c.d %}{% endif %}", {"a", "b", "c"}),
        ("{% for x, y in pairs %}{{ x }}{{ y }}{% endfor %}", {"pairs"}),
        ("{% with a=b.c %}{{ a }}{% endwith %}", {"b"}),
        ("{% blocktranslate %}{{ name }}{% endblocktranslate %}", {"name"}),
        (
            "{% blocktranslate count n=many %}{{ n }}{% plural %}{{ m }}{% endblocktranslate %}",
            {"many", "m"},
        ),
        ("{% url 'day' code as here %}{{ here }}", {"code"}),
        (
            "{% include 'components/product.html' with code=c %}",
            {"c", "family"},
        ),
    ],
)
def test_names_are_found_in_every_tag(
    source: str, used: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = gallery_engine().from_string(source)
    monkeypatch.setattr("tests.template_names._template", _instead_of("any.html", made.template))

    assert used_names("any.html") == used


def _instead_of(name: str, template: Template) -> Callable[[str], Template]:
    def load(asked: str) -> Template:
        return template if asked == name else gallery_engine().get_template(asked).template

    return load


def test_a_contract_is_read_with_its_notes() -> None:
    found = read_contract(
        "{# A tank. context: tank (TankView: one, with a comma), note (optional), site #}"
    )

    assert found.summary == "A tank"
    assert [(each.name, each.is_optional) for each in found.names] == [
        ("tank", False),
        ("note", True),
        ("site", False),
    ]


@pytest.mark.parametrize("source", ["{# A drawing. No context. #}", "{# context: none #}"])
def test_a_template_may_need_nothing(source: str) -> None:
    assert read_contract(source).names == ()


@pytest.mark.parametrize("source", ["<p>", "{# A tank. #}", "{# context: at, or what is there #}"])
def test_what_cannot_be_read_is_said(source: str) -> None:
    with pytest.raises(ContractError, match=r"\{# What it is"):
        read_contract(source)

    assert optional_names(source) == frozenset()
