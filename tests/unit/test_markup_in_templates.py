"""All markup comes from templates: none of it, and no style of it, is in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path
    for folder in ("console", "ledger", "ingest")
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
#: Names that make text into markup, or style forms by attributes of Python classes.
REFUSED_NAMES = {
    "mark_safe",
    "format_html",
    "format_html_join",
    "html_safe",
    "SafeText",
    "error_css_class",
    "required_css_class",
}
TAG = re.compile(
    r"</?(?:a|abbr|b|body|br|button|dd|div|dl|dt|em|fieldset|figure|form|h[1-6]|head|hr|html|i|"
    r"img|input|label|legend|li|link|main|meta|nav|ol|option|p|path|pre|rect|script|section|select|"
    r"small|span|strong|style|svg|table|tbody|td|textarea|th|thead|time|tr|u|ul|use)(?:(?:\s[^<]*)?/?>|\s+[a-z-]+=)",
    re.IGNORECASE,
)


def faults(source: str) -> list[str]:
    """Say what of a module belongs into a template."""
    tree = ast.parse(source)
    docstrings = set(_docstrings(tree))
    found = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base).rpartition(".")[2] for base in node.bases]
            found += [
                f"{line}: {node.name} is a widget"
                for base in bases
                if re.search(r"(Widget|Input|Select|SelectMultiple|Textarea|SelectDate)$", base)
            ]
        elif isinstance(node, (ast.Name, ast.Attribute, ast.alias)):
            name = (
                node.id
                if isinstance(node, ast.Name)
                else node.attr
                if isinstance(node, ast.Attribute)
                else node.name
            )
            if name in REFUSED_NAMES:
                found.append(f"{line}: {name}")
        elif isinstance(node, ast.Dict):
            found += [
                f"{line}: a class or a style among attributes"
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
                and key.value in {"class", "style"}
                # The settings of the log name classes of Python.
                and not re.fullmatch(r"'[a-z]+(\.\w+)+'", ast.unparse(value))
            ]
        elif isinstance(node, ast.Subscript) and ast.unparse(node.slice) in {"'class'", "'style'"}:
            found.append(f"{line}: a class or a style among attributes")
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node not in docstrings
            and TAG.search(node.value)
        ):
            found.append(f"{line}: markup in {node.value[:40]!r}")
    return found


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first.value


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_has_markup(path: Path) -> None:
    assert faults(path.read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "class Wide(forms.TextInput): pass",
        "class Wide(Widget): pass",
        "class Wide(forms.CheckboxSelectMultiple): pass",
        "forms.TextInput(attrs={'class': 'wide'})",
        "widget.attrs['class'] = 'wide'",
        "from django.utils.html import format_html",
        "safestring.mark_safe(text)",
        "required_css_class = 'needed'",
        "x = '<b>' + name + '</b>'",
        "x = f'<a href={url}>'",
        "x = '<BR/>'",
    ],
)
def test_it_would_be_found(source: str) -> None:
    assert len(faults(source)) >= 1


def test_what_is_no_markup_is_let_be() -> None:
    assert faults('"""A <b> in a docstring."""\nx = "a < b > c"\ny = r"(?P<name>x)"') == []
