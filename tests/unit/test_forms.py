"""The form system: what a form says in Python is what its templates draw."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from django import forms
from django.http import Http404, HttpRequest, QueryDict
from django.template import Context, Template
from django.test import RequestFactory
from django.utils import translation
from django_htmx.middleware import HtmxDetails

from console.forms.answers import done, field_check, form_answer
from console.forms.base import ConsoleForm, FieldGroup
from console.forms.correction import EntryForm
from console.forms.fields import Facts, FigureField
from console.forms.rows import RowsFormSet, rows_factory


class EveryWidgetForm(ConsoleForm):
    """One field with each widget that pages may have."""

    groups = (FieldGroup(title="Money", help="All of it.", fields=("price", "amount")),)
    facts = {  # noqa: RUF012 as every form's
        "price": Facts(currency="GBP", unit="a litre"),
        "amount": Facts(currency="EUR"),
        "volume": Facts(unit="L"),
        "name": Facts(autocomplete="organization", is_checked_alone=True),
    }

    name = forms.CharField(help_text="As on the sign.")
    email = forms.EmailField(required=False)
    secret = forms.CharField(widget=forms.PasswordInput)
    count = forms.IntegerField(min_value=0)
    offset = forms.IntegerField()
    price = FigureField(min_value=0, decimal_places=4, places_min=3)
    amount = FigureField(decimal_places=2, places_min=2)
    volume = FigureField(min_value=0, decimal_places=3)
    note = forms.CharField(widget=forms.Textarea, required=False)
    kind = forms.ChoiceField(choices=[("a", "A"), ("More", [("b", "B")])])
    size = forms.ChoiceField(choices=[("s", "S"), ("l", "L")], widget=forms.RadioSelect)
    parts = forms.MultipleChoiceField(
        choices=[("x", "X"), ("y", "Y")], widget=forms.CheckboxSelectMultiple, help_text="Any."
    )
    agreed = forms.BooleanField()
    day = forms.DateField()
    at = forms.TimeField()
    moment = forms.DateTimeField()
    version = forms.CharField(widget=forms.HiddenInput)


class Page(HTMLParser):
    """The elements of a page."""

    def __init__(self, html: Any) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(str(html))
        self.ids = [given["id"] for _, given in self.elements if given.get("id")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def named(self, name: str) -> dict[str, str | None]:
        return next(given for _, given in self.elements if given.get("name") == name)


def request(method: str = "GET", *, htmx: bool = False, query: str = "") -> Any:
    made: HttpRequest = RequestFactory().generic(method, f"/{query}")
    if htmx:
        made.META["HTTP_HX_REQUEST"] = "true"
    made.htmx = HtmxDetails(made)
    return made


@pytest.mark.parametrize("data", [None, {}], ids=["fresh", "wrong"])
def test_every_reference_resolves_and_no_id_comes_twice(data: dict[str, str] | None) -> None:
    page = Page(EveryWidgetForm(data))
    assert len(page.ids) == len(set(page.ids))
    for _, given in page.elements:
        for name in ("aria-describedby", "for"):
            for reference in (given.get(name) or "").split():
                assert reference in page.ids
        if (given.get("href") or "").startswith("#id_"):
            assert given["href"][1:] in page.ids


def test_each_visible_field_is_labelled_or_in_a_named_set() -> None:
    page = Page(EveryWidgetForm())
    labelled = {given.get("for") for tag, given in page.elements if tag == "label"}
    for tag, given in page.elements:
        if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
            assert given["id"] in labelled


def test_what_is_wrong_stands_on_top_with_links_and_at_each_field() -> None:
    page = Page(EveryWidgetForm({"name": ""}))
    links = [given["href"] for tag, given in page.elements if tag == "a"]
    assert links[:2] == ["#id_name", "#id_secret"]
    # A set of options is reached by its first one.
    assert {"#id_size_0", "#id_parts_0"} <= set(links)
    assert page.named("name")["aria-invalid"] == "true"
    assert page.named("name")["aria-describedby"] == "id_name_helptext id_name_error"
    assert "data-error-summary" in page.elements[0][1]


def test_the_summary_lists_what_is_wrong_in_the_order_of_the_page() -> None:
    page = Page(EntryForm({}, products=["E10"], currency="GBP"))
    links = [given["href"] for tag, given in page.elements if tag == "a"]
    places = [page.ids.index(str(link)[1:]) for link in links]
    assert len(places) > 3
    assert places == sorted(places)


def test_a_form_without_faults_has_no_summary() -> None:
    assert "error-summary" not in str(EveryWidgetForm())


def test_units_stand_in_the_frame_and_are_read_with_the_figure() -> None:
    html = str(EveryWidgetForm()["price"].as_field_group())
    assert re.search(r"£.*<input.*a litre", html, re.DOTALL)
    assert Page(html).named("price")["aria-describedby"] == "id_price_unit"
    with translation.override("de"):
        html = str(EveryWidgetForm()["amount"].as_field_group())
    assert html.index("<input") < html.index("€")


def test_the_unit_is_read_after_the_help_and_before_what_is_wrong() -> None:
    form = EveryWidgetForm({"volume": "x"})
    form.fields["volume"].help_text = "At 15 °C."
    assert form["volume"].aria_describedby == "id_volume_helptext id_volume_unit id_volume_error"


def test_the_keyboard_suits_the_figure() -> None:
    page = Page(EveryWidgetForm())
    kinds = {
        name: page.named(name).get("inputmode") for name in ("count", "offset", "price", "name")
    }
    # What can be negative needs a minus, which a keypad of digits does not have.
    assert kinds == {"count": "numeric", "offset": "text", "price": "decimal", "name": None}
    assert page.named("amount")["inputmode"] == "text"
    assert page.named("name")["autocomplete"] == "organization"


def test_fields_stand_in_their_groups() -> None:
    form = EveryWidgetForm()
    rest, money = form.field_groups
    assert [field.name for field in money.fields] == ["price", "amount"]
    assert "price" not in [field.name for field in rest.fields]
    assert "All of it." in str(form)


def test_only_what_may_stay_empty_is_called_optional() -> None:
    assert "(optional)" in str(EveryWidgetForm()["email"].as_field_group())
    assert "(optional)" not in str(EveryWidgetForm()["name"].as_field_group())
    assert "(optional)" not in str(EveryWidgetForm()["agreed"].as_field_group())


@pytest.mark.parametrize("language", ["en", "de"])
def test_what_the_browser_reads_and_writes_is_iso_in_each_language(language: str) -> None:
    initial = {
        "day": datetime.date(2026, 11, 24),
        "at": datetime.time(7, 30),
        "moment": datetime.datetime(2026, 11, 24, 7, 30, 5, tzinfo=datetime.UTC),
    }
    with translation.override(language):
        page = Page(EveryWidgetForm(initial=initial))
        assert page.named("day")["value"] == "2026-11-24"
        assert page.named("at")["value"] == "07:30"
        assert page.named("moment")["value"] == "2026-11-24T07:30:05"
        assert [page.named(name)["type"] for name in initial] == ["date", "time", "datetime-local"]
        form = EveryWidgetForm({name: page.named(name)["value"] for name in initial})
        form.is_valid()
    assert form.cleaned_data["day"] == initial["day"]
    assert form.cleaned_data["at"] == initial["at"]


@pytest.mark.parametrize(
    ("language", "typed", "value"),
    [
        ("en", "1.479", "1.479"),
        ("de", "1,479", "1.479"),
        ("de", "12.345,5", "12345.5"),
        ("en", "12,345.5", "12345.5"),
        ("de", "1479", "1479"),
        ("en", "1,234.50", "1234.50"),
        ("de", "1.234,50", "1234.50"),
        ("en", ".5", "0.5"),
        ("de", "+,5", "0.5"),
        ("de", "-0,5", "-0.5"),
        ("en", "\N{MINUS SIGN}0.5", "-0.5"),
        ("de", "1.234.567", "1234567"),
    ],
)
def test_figures_are_read_as_the_language_writes_them(
    language: str, typed: str, value: str
) -> None:
    with translation.override(language):
        assert FigureField(decimal_places=4).clean(typed) == Decimal(value)


@pytest.mark.parametrize(
    ("language", "typed"), [("de", "1.479"), ("en", "1,479"), ("de", "-1.479")]
)
def test_a_figure_that_can_be_read_in_two_ways_is_refused(language: str, typed: str) -> None:
    with translation.override(language), pytest.raises(forms.ValidationError) as refused:
        FigureField(decimal_places=4).clean(typed)
    assert refused.value.error_list[0].code == "ambiguous"


@pytest.mark.parametrize(
    ("language", "typed", "said"),
    [
        ("en", "47,93", "Write 47.93 with a point before the decimals."),
        ("en", "-47,93", "Write -47.93 with a point before the decimals."),
        ("en", "1.234,50", "Write 1234.50 with a point before the decimals."),
        ("en", "0,479", "Write 0.479 with a point before the decimals."),
        ("en", "1479,5", "Write 1479.5 with a point before the decimals."),
        ("en", ",5", "Write .5 with a point before the decimals."),
        ("de", "47.93", "Schreiben Sie 47,93 mit einem Komma vor den Nachkommastellen."),
        ("de", "1,234.50", "Schreiben Sie 1234,50 mit einem Komma vor den Nachkommastellen."),
        ("de", "0.479", "Schreiben Sie 0,479 mit einem Komma vor den Nachkommastellen."),
    ],
)
@pytest.mark.parametrize("places", [2, 4])
def test_the_decimal_mark_of_another_language_is_refused_with_the_way_to_write_it(
    language: str, typed: str, said: str, places: int
) -> None:
    with translation.override(language):
        with pytest.raises(forms.ValidationError) as refused:
            FigureField(decimal_places=places).clean(typed)
        assert refused.value.messages == [said]


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    "typed",
    [
        "12,34,5",
        "1.2.3",
        "1,2345.6.7",
        "1e3",
        "NaN",
        "Infinity",
        ".",
        ",",
        "-",
        "1_000",
        "0x1",
        "٣",
    ],
)
def test_what_is_no_figure_in_any_language_is_refused(language: str, typed: str) -> None:
    with translation.override(language), pytest.raises(forms.ValidationError) as refused:
        FigureField(decimal_places=4).clean(typed)
    assert refused.value.error_list[0].code == "invalid"


@pytest.mark.parametrize(("language", "point"), [("en", "."), ("de", ",")])
def test_every_figure_is_read_back_as_it_is_shown(language: str, point: str) -> None:
    field = FigureField(decimal_places=4, max_digits=12)
    with translation.override(language):
        for text in ("0", "-0.5", "1234.5", "1479", "30000.0001", "-99999999.9999"):
            shown = field.prepare_value(Decimal(text))
            assert shown == text.replace(".", point)
            assert field.clean(shown) == Decimal(text)


def test_three_digits_can_be_nothing_but_thousands_where_two_places_are_the_most() -> None:
    with translation.override("de"):
        assert FigureField(decimal_places=2).clean("1.479") == 1479


@pytest.mark.parametrize(("language", "shown"), [("en", "30000.5"), ("de", "30000,5")])
def test_figures_are_shown_as_one_types_them(language: str, shown: str) -> None:
    with translation.override(language):
        form = EveryWidgetForm(initial={"volume": Decimal("30000.500"), "amount": Decimal("7.00")})
        assert Page(form["volume"]).named("volume")["value"] == shown
        assert Page(form["amount"]).named("amount")["value"] in {"7.00", "7,00"}
        again = EveryWidgetForm({"volume": shown}, initial={"volume": Decimal("30000.500")})
        assert "volume" not in again.changed_data


@pytest.mark.parametrize("typed", ["1.479.x", "<b>", "1,4,7,9"])
def test_what_was_typed_stays_after_an_error(typed: str) -> None:
    with translation.override("de"):
        form = EveryWidgetForm({"price": typed, "note": " two\nlines "})
        assert "price" in form.errors
        assert Page(form["price"]).named("price")["value"] == typed
        assert ">\n two\nlines </textarea>" in str(form["note"])


def test_a_value_that_changed_meanwhile_stands_beside_what_was_typed() -> None:
    form = EveryWidgetForm({"name": "Mine", "volume": "5", "kind": "a"})
    form.current = {"name": "Theirs", "volume": Decimal(5), "kind": "b"}
    assert (form["name"].now, form["volume"].now, form["kind"].now) == ("Theirs", "", "B")
    assert "Theirs" in str(form["name"].as_field_group())
    assert Page(form).named("name")["value"] == "Mine"


# --- Rows ----------------------------------------------------------------------------------------


class PartForm(ConsoleForm):
    code = forms.CharField()
    count = forms.IntegerField(min_value=1)


class PartRows(RowsFormSet):
    row_name = "Part"


PartRowSet = rows_factory(PartForm, PartRows, rows_max=3)


def rows(*typed: tuple[str, str], **more: str) -> RowsFormSet:
    data = QueryDict(mutable=True)
    data.update({"parts-TOTAL_FORMS": str(len(typed)), "parts-INITIAL_FORMS": "1", **more})
    for number, (code, count) in enumerate(typed):
        data.update({f"parts-{number}-code": code, f"parts-{number}-count": count})
    return PartRowSet(data, prefix="parts", initial=[{"code": "a", "count": 1}])


def test_rows_have_no_empty_one_until_it_is_asked_for() -> None:
    fresh = PartRowSet(prefix="parts", initial=[{"code": "a", "count": 1}])
    assert len(fresh) == 1
    assert 'name="add_row"' in str(fresh)


def test_another_row_keeps_what_was_typed_and_finds_no_fault_with_it() -> None:
    more = rows(("a", "many"), add_row="parts")
    page = Page(more)
    assert len(more) == 2
    assert page.named("parts-TOTAL_FORMS")["value"] == "2"
    assert page.named("parts-0-count")["value"] == "many"
    assert "aria-invalid" not in page.named("parts-0-count")
    assert "autofocus" in page.named("parts-1-code")
    assert not more.is_valid()


def test_a_row_for_others_leaves_these_as_they_are() -> None:
    assert len(rows(("a", "1"), add_row="others")) == 1


def test_there_are_never_more_rows_than_may_be() -> None:
    full = rows(("a", "1"), ("b", "1"), ("c", "1"), add_row="parts")
    assert len(full) == 3
    assert 'name="add_row"' not in str(full)


def test_rows_that_stay_and_say_something_have_values() -> None:
    found = rows(("a", "2"), ("", ""), ("b", "x"), **{"parts-2-DELETE": "on"})
    assert found.is_valid()
    assert found.values == [{"code": "a", "count": 2}]


def test_faults_of_rows_name_the_row() -> None:
    template = Template("{% load forms %}{% error_summary rows %}")
    html = template.render(Context({"rows": rows(("a", "1"), ("b", "0"))}))
    assert "Part 2, Count" in html
    assert 'href="#id_parts-1-count"' in html


def test_rows_without_their_own_count_are_refused_in_words() -> None:
    broken = PartRowSet(QueryDict("parts-0-code=a"), prefix="parts")
    assert not broken.is_valid()
    assert broken.non_form_errors()


# --- Answers -------------------------------------------------------------------------------------


def answer(asked: Any, form: ConsoleForm) -> Any:
    return form_answer(
        asked,
        forms=[form],
        page="forms/group.html",
        partial="forms/form.html",
        context={"form": form, "group": form.field_groups[0]},
    )


def test_a_wrong_form_is_422_and_htmx_gets_the_partial_alone() -> None:
    form = EveryWidgetForm({})
    whole = answer(request("POST"), form)
    part = answer(request("POST", htmx=True), form)
    assert (whole.status_code, part.status_code) == (422, 422)
    assert "<fieldset" in whole.text[:20]
    assert "error-summary" in part.text[:100]
    assert whole["Vary"] == part["Vary"] == "HX-Request"


def test_a_form_that_was_not_sent_is_no_error() -> None:
    assert answer(request(), EveryWidgetForm()).status_code == 200


def test_another_row_is_no_error() -> None:
    assert answer(request("POST"), EveryWidgetForm(QueryDict("add_row=parts"))).status_code == 200


def test_after_a_success_one_goes_on() -> None:
    whole, part = done(request("POST"), "/next/"), done(request("POST", htmx=True), "/next/")
    assert (whole.status_code, whole["Location"]) == (303, "/next/")
    assert (part.status_code, part["HX-Redirect"], part.content) == (200, "/next/", b"")


def test_one_field_is_checked_alone() -> None:
    form = EveryWidgetForm({"name": ""})
    checked = field_check(request("POST", htmx=True, query="?check=name"), form)
    assert checked is not None
    assert checked.status_code == 200
    assert 'id="id_name_error"' in checked.text
    assert "id_secret" not in checked.text
    assert 'hx-post="?check=name"' in str(form["name"].as_field_group())


def test_one_field_of_a_row_is_checked_alone() -> None:
    asked = request("POST", htmx=True, query="?check=parts-1-count")
    checked = field_check(asked, EveryWidgetForm({}), rows(("a", "1"), ("b", "0")))
    assert checked is not None
    assert "parts-1-count" in checked.text


def test_nobody_is_checked_who_did_not_ask() -> None:
    assert field_check(request("POST", htmx=True), EveryWidgetForm({})) is None
    assert field_check(request("POST", query="?check=name"), EveryWidgetForm({})) is None


def test_a_field_that_is_not_there_cannot_be_checked() -> None:
    with pytest.raises(Http404):
        field_check(request("POST", htmx=True, query="?check=nothing"), EveryWidgetForm({}))
