"""The texts that people read and what the catalogues say of them. `make messages` runs this.

Extraction for the catalogues is Django's `makemessages`, which needs GNU gettext; `texts` finds
the same without it, so that a test can tell on any machine when a catalogue has fallen behind.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "console" / "locale"
APPS = ("console", "ledger", "ingest")
#: A text is its id (singular, and plural if it has one) and its context.
Text = tuple[str | tuple[str, ...], str | None]

KEYWORDS = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
    "npgettext_lazy": ((1, "c"), 2, 3),
}


def languages() -> list[str]:
    """Return the codes of the languages that need a catalogue: all but that of the code."""
    return [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def texts() -> set[Text]:
    """Return every text marked for translation in code and templates."""
    found: set[Text] = set()
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            found |= set(_texts_of(path.read_text()))
    for path in sorted((ROOT / "templates").rglob("*.html")):
        calls = templatize(path.read_text(), origin=str(path))
        # What is left of the markup is no Python, and its indentation none that one could follow.
        found |= set(_texts_of(re.sub(r"^[ \t]+", "", calls, flags=re.MULTILINE)))
    return found


def _texts_of(code: str) -> Iterator[Text]:
    source = io.BytesIO(code.encode())
    for _line, message, _comments, context in extract("python", source, keywords=KEYWORDS):
        yield message, context


def catalogue(language: str) -> Catalog:
    """Return a language's catalogue as translators write it."""
    with (_folder(language) / "django.po").open("rb") as file:
        return read_po(file, locale=language)


def compiled(language: str) -> Catalog:
    """Return a language's catalogue as Django reads it."""
    with (_folder(language) / "django.mo").open("rb") as file:
        return read_mo(file)


def _folder(language: str) -> Path:
    return LOCALE / language.replace("-", "_") / "LC_MESSAGES"


def messages(catalog: Catalog) -> dict[Text, Message]:
    """Return the messages of a catalogue by what identifies them, without its head."""
    return {_key(message): message for message in catalog if message.id}


def _key(message: Message) -> Text:
    # From compiled files Babel reads plurals as lists, and contexts as bytes.
    text, context = message.id, message.context
    return (
        text if isinstance(text, str) else tuple(text),
        context.decode() if isinstance(context, bytes) else context,
    )


def is_translated(message: Message) -> bool:
    """Whether every form has a text that no machine only guessed."""
    forms = message.string if isinstance(message.string, tuple) else (message.string,)
    return all(forms) and not message.fuzzy


def main() -> int:
    """Collect the texts, compile the catalogues, and list what translators have to do."""
    import django
    from django.core.management import call_command

    django.setup()
    LOCALE.mkdir(exist_ok=True)
    call_command(
        "makemessages",
        locale=[code.replace("-", "_") for code in languages()],
        ignore_patterns=["tests", "var", ".venv", "static"],
        extensions=["html", "py"],
        add_location="never",
        no_obsolete=True,
        no_wrap=True,
        verbosity=0,
    )
    call_command(
        "compilemessages",
        locale=[code.replace("-", "_") for code in languages()],
        ignore_patterns=["tests", "var", ".venv"],
        verbosity=0,
    )
    left = 0
    for language in languages():
        for (text, _context), message in messages(catalogue(language)).items():
            if not is_translated(message):
                left += 1
                print(f"{language}: {text[0] if isinstance(text, tuple) else text}")
    print(f"{left} texts to translate" if left else "Every text is translated.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
