"""Reads from a template which names of the context it uses, in all of its branches.

A strict rendering sees the branches that the fixtures reach; this sees the others, too, but only
names, not what is behind a dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.template import Node, Template
from django.template.base import FilterExpression, Variable
from django.template.loader_tags import IncludeNode
from django.template.smartif import TokenBase
from django.templatetags.i18n import BlockTranslateNode

from console.gallery.render import GIVEN, gallery_engine
from console.template_contract import read_contract

#: Names that tags give by themselves.
_OF_TAGS = frozenset({"forloop", "block", "True", "False", "None"})
_AS = re.compile(r"\bas\s+(\w+)\s*$")
_LOOP = re.compile(r"^for\s+([\w\s,]+?)\s+in\b")
_WITH = re.compile(r"(\w+)=")


def used_names(template: str) -> set[str]:
    """Return the names that a template wants of its context, those of its includes among them."""
    found = _template(template)
    return _free(found) - GIVEN - _OF_TAGS


def _template(name: str) -> Template:
    return gallery_engine().get_template(name).template


def _free(template: Template) -> set[str]:
    """Return the names that nothing in the template itself gives."""
    # What a tag keeps "as" a name stays to the end of the template.
    kept = {name for node in _all_nodes(template.nodelist) for name in _AS.findall(_words(node))}
    return set(_used(template.nodelist, frozenset(kept)))


def _used(nodes: Any, bound: frozenset[str]) -> Iterator[str]:
    for node in nodes:
        inside = bound | _bound_within(node)
        yield from set(_names_in(node)) - bound
        yield from set(_names_in_text(node)) - inside
        if isinstance(node, IncludeNode):
            yield from _wanted_by(node) - bound
        for children in _children(node):
            yield from _used(children, inside)


def _wanted_by(node: IncludeNode) -> set[str]:
    """Return what an included template wants beyond what the include gives it."""
    name = node.template.var
    if not isinstance(name, str):
        return set()
    contract = read_contract(_template(name).source)
    wanted = {each.name for each in contract.names if not each.is_optional}
    return wanted - set(node.extra_context)


def _words(node: Node) -> str:
    return getattr(getattr(node, "token", None), "contents", "")


def _bound_within(node: Node) -> set[str]:
    contents = _words(node)
    names: set[str] = set()
    if loop := _LOOP.match(contents):
        names |= {name.strip() for name in loop[1].split(",")}
    if contents.split(" ", 1)[0] in {"with", "blocktranslate", "blocktrans"}:
        names |= set(_WITH.findall(contents))
    return names


def _all_nodes(nodes: Any) -> Iterator[Node]:
    for node in nodes:
        yield node
        for children in _children(node):
            yield from _all_nodes(children)


def _children(node: Node) -> Iterator[Any]:
    for name in node.child_nodelists:
        if (inner := getattr(node, name, None)) is not None:
            yield inner
    for _condition, inner in getattr(node, "conditions_nodelists", []):
        yield inner


def _names_in_text(node: Node) -> Iterator[str]:
    """Yield the variables within a text to translate."""
    if isinstance(node, BlockTranslateNode):
        for token in [*node.singular, *(node.plural or [])]:
            if token.token_type.name == "VAR":
                yield token.contents.split("|")[0].split(".")[0].strip()


def _names_in(node: Node) -> Iterator[str]:
    held = {name: value for name, value in vars(node).items() if "nodelist" not in name}
    yield from _names_of(held)
    for condition, _inner in getattr(node, "conditions_nodelists", []):
        yield from _names_of(condition)


def _names_of(value: Any) -> Iterator[str]:
    """Yield the first parts of the variables in whatever a node holds."""
    if isinstance(value, Variable):
        if value.lookups:
            yield value.lookups[0]
    elif isinstance(value, FilterExpression):
        yield from _names_of(value.var)
        for _function, arguments in value.filters:
            yield from _names_of([argument for _is_variable, argument in arguments])
    elif isinstance(value, TokenBase):
        yield from _names_of([value.value, value.first, value.second])
    elif isinstance(value, dict):
        yield from _names_of(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _names_of(each)
