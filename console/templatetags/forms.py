"""What is wrong with the forms of a page, in one list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.translation import gettext as _

from console.forms.answers import AnyForm
from console.forms.base import BoundGroup, ConsoleFormMixin
from console.forms.fields import ConsoleField

register = template.Library()


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """One thing that is wrong, the field's label and the id of what a link leads to, if any."""

    text: str
    label: str = ""
    anchor: str = ""


@register.inclusion_tag("forms/error_summary.html")
def error_summary(*found: AnyForm | list[AnyForm]) -> dict[str, Any]:
    """`{% error_summary form products %}`: all that is wrong, in the order of the page."""
    there = [form for each in found for form in (each if isinstance(each, list) else [each])]
    return {"lines": [line for form in there for line in _lines(form)]}


@register.simple_tag
def field_groups(form: forms.BaseForm) -> list[BoundGroup]:
    """`{% field_groups form as groups %}`: its groups; none of a form that is not the console's."""
    return form.field_groups if isinstance(form, ConsoleFormMixin) else []


def _lines(form: AnyForm) -> Iterator[ErrorLine]:
    if not form.is_bound or getattr(form, "is_quiet", False):
        return
    if isinstance(form, forms.BaseFormSet):
        yield from (ErrorLine(str(error)) for error in form.non_form_errors())
        for number, row in enumerate(form.forms, 1):
            if not getattr(form, "is_removed", lambda _row: False)(row):
                name = f"{getattr(form, 'row_name', _('Row'))} {number}"
                yield from _form_lines(row, prefix=f"{name}, ")
    else:
        yield from _form_lines(form)


def _in_page_order(form: forms.BaseForm) -> Iterator[BoundField]:
    """Yield the fields as one meets them going down the page."""
    if isinstance(form, ConsoleFormMixin):
        yield from form.hidden_fields()
        for group in form.field_groups:
            yield from group.fields
    else:
        yield from form


def _form_lines(form: forms.BaseForm, prefix: str = "") -> Iterator[ErrorLine]:
    for error in form.non_field_errors():
        yield ErrorLine(str(error), prefix.rstrip(", "))
    for field in _in_page_order(form):
        for error in field.errors:
            if field.is_hidden or not isinstance(field, ConsoleField):
                yield ErrorLine(str(error), prefix.rstrip(", "))
            else:
                yield ErrorLine(str(error), f"{prefix}{field.label}", field.anchor)
