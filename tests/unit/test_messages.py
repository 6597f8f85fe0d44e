"""The catalogues keep up with the texts; `make messages` lists what there is to translate."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from babel.messages.catalog import Catalog
from django.conf import settings

from tests.tools.messages import (
    ROOT,
    Text,
    catalogue,
    compiled,
    is_translated,
    languages,
    messages,
    texts,
)

PLACEHOLDER = re.compile(r"%\(\w+\)s|%%|\{\w+\}")

each_language = pytest.mark.parametrize("language", languages())


@each_language
def test_every_text_is_in_the_catalogue_and_translated(language: str) -> None:
    known = messages(catalogue(language))
    wanted = texts()
    assert len(wanted) > 500
    assert wanted - known.keys() == set(), "missing: run make messages"
    assert known.keys() - wanted == set(), "no longer used: run make messages"
    assert [message.id for message in known.values() if not is_translated(message)] == []


@each_language
def test_the_compiled_catalogue_is_the_one_that_translators_wrote(language: str) -> None:
    def forms(catalog: Catalog) -> dict[Text, list[str]]:
        return {
            key: [message.string] if isinstance(message.string, str) else list(message.string)
            for key, message in messages(catalog).items()
        }

    assert forms(compiled(language)) == forms(catalogue(language)), "run make messages"


@each_language
def test_translations_keep_the_placeholders(language: str) -> None:
    for message in messages(catalogue(language)).values():
        singular, plural = message.id if isinstance(message.id, tuple) else (message.id,) * 2
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        allowed = set(PLACEHOLDER.findall(singular)) | set(PLACEHOLDER.findall(plural))
        # The singular may do without the number that it says in words.
        needed = set(PLACEHOLDER.findall(singular)) & set(PLACEHOLDER.findall(plural))
        for form in forms:
            assert needed <= set(PLACEHOLDER.findall(form)) <= allowed, message.id


@each_language
def test_dates_are_written_in_every_language(language: str) -> None:
    def names(code: str) -> set[str]:
        module = import_module(f"{settings.FORMAT_MODULE_PATH}.{code.replace('-', '_')}.formats")
        return {name for name in vars(module) if name.endswith("_FORMAT")}

    assert names(language) == names(settings.LANGUAGE_CODE)


def test_templates_name_their_dates_format() -> None:
    raw = re.compile(r"date:[\"'](?!c[\"']|Y-m-d[\"']|Ymd[\"']|l[\"']|[A-Z_]+_FORMAT[\"'])[^\"']*")
    found = {
        str(path): raw.findall(path.read_text())
        for path in (ROOT / "templates").rglob("*.html")
        if raw.search(path.read_text())
    }
    assert found == {}, "console/formats has the names"
