"""In tests and in the gallery an undefined variable is an error, wherever it stands."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.template import Context, engines

from console.gallery.render import gallery_engine
from console.strict_templates import StrictTemplate, UndefinedVariableError

CONTEXT = {
    "tank": SimpleNamespace(number=2, reading=None),
    "names": {"a": "A"},
    "rows": [1],
    "nothing": "",
}


def _rendered(source: str) -> str:
    engine = gallery_engine().engine
    return StrictTemplate(source, engine=engine).render(Context(CONTEXT))


@pytest.mark.parametrize(
    "source",
    [
        "{{ tnk }}",
        "{{ tank.nummer }}",
        "{{ names.b }}",
        "{{ rows.7 }}",
        "{{ tnk|default:'-' }}",
        "{{ tank.number|add:tnk }}",
        "{% if tnk %}{% endif %}",
        "{% if tank.nummer == 3 %}{% endif %}",
        "{% if tank.number == 3 or not tnk %}{% endif %}",
        "{% for row in tnk %}{% endfor %}",
        "{% with a=tank.nummer %}{% endwith %}",
        "{% include 'components/age.html' with at=tnk %}",
        "{% include 'components/age.html' %}",
        "{% blocktranslate %}{{ tnk }}{% endblocktranslate %}",
        "{% blocktranslate with a=tnk %}{{ a }}{% endblocktranslate %}",
        "{% load components %}{% age tnk %}",
        "{% url 'site' tnk %}",
    ],
)
def test_an_undefined_variable_is_an_error(source: str) -> None:
    with pytest.raises(UndefinedVariableError):
        _rendered(source)


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("{{ tank.number }}", "2"),
        ("{{ tank.reading.volume }}", ""),
        ("{{ tank.reading.volume|default:'-' }}", "-"),
        ("{{ nothing.volume }}", ""),
        ("{% if tank.reading.volume %}a{% else %}b{% endif %}", "b"),
        ("{# A. context: tank, note (optional) #}{% if note %}a{% else %}b{% endif %}", "b"),
        ("{# A. context: tank, note (optional) #}{{ note }}", ""),
        ("{{ names.a }}{{ rows.0 }}", "A1"),
    ],
)
def test_what_is_nothing_stays_nothing(source: str, html: str) -> None:
    assert _rendered(source) == html


def test_the_message_names_the_variable_and_what_lacks_it() -> None:
    with pytest.raises(UndefinedVariableError, match=r"“tank\.nummer” is not defined: Simple"):
        _rendered("{{ tank.nummer }}")


def test_all_templates_of_the_tests_are_strict() -> None:
    assert isinstance(engines["django"].get_template("shell.html").template, StrictTemplate)


def test_django_s_own_templates_are_not() -> None:
    found = engines["django"].get_template("django/forms/widgets/file.html")

    assert not isinstance(found.template, StrictTemplate)


def test_production_is_as_django_made_it() -> None:
    from console import settings as production

    assert "StrictLoader" not in repr(production._TEMPLATE_LOADERS)
