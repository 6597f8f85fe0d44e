"""Payloads are shown exactly, safely, and with the fault marked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.payload import SHOWN_LINES_MAX, payload_view
from ingest import contract, decode, topics
from ledger.topics import ROOT, Lane, topic_parts


def faults(raw: bytes, detail: str) -> list[str]:
    view = payload_view(raw, detail)
    return [part.text for line in view.lines for part in line.parts if part.is_fault]


@pytest.mark.parametrize(
    ("raw", "detail", "marked"),
    [
        (b'{"a": [1, {"b": "x"}]}', "Expected `int`, got `str` - at `$.a[1].b`", ['"x"']),
        (b'{"t":[{"v":"1"},{"v":"1.5"}]}', "t.v: 1.5 has more than 0 decimal places", ['"1.5"']),
        (b'{"a": 1}', "Object missing required field `b`", ["{"]),
        (b'{"a": }', "not JSON: JSON is malformed: invalid character (byte 6)", ["}"]),
        (b'{"a": \xff}', "not UTF-8: byte 0xff at position 6", ["\\xff"]),
        (b'{"a": 1', "not JSON: Input data was truncated", [""]),
        (b'{"a": 1}', "no site is registered under the code 'X'", []),
        (b"x" * 100_000 + b"!", "(byte 100000)", ["!"]),
    ],
)
def test_the_fault_is_marked(raw: bytes, detail: str, marked: list[str]) -> None:
    assert faults(raw, detail) == marked


@pytest.mark.parametrize(
    "raw",
    [
        b'{"fiscal_day": "2026-11-22", "kind": "gift"}',
        b'{"fiscal_day": 3}',
        b"[1, 2]",
        b'{"fiscal_day": "2026-11-22", "kind',
        b"\xfe{}",
    ],
)
def test_what_the_decoder_says_of_a_fault_is_understood(raw: bytes) -> None:
    with pytest.raises(decode.Fault) as refused:
        decode.decode_entry(raw)
    assert payload_view(raw, refused.value.detail).has_fault, refused.value.detail


@given(st.binary(max_size=400), st.integers(0, 500))
def test_any_bytes_are_shown_and_all_of_it_prints(raw: bytes, byte: int) -> None:
    view = payload_view(raw, f"(byte {byte})")
    text = "".join(part.text for line in view.lines for part in line.parts)
    assert text.isprintable()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_json_that_is_laid_out_is_still_the_same(value: object) -> None:
    view = payload_view(json.dumps(value).encode())
    assert view.is_json
    assert json.loads(view.text) == value


def test_repeated_names_and_the_text_of_numbers_stay() -> None:
    view = payload_view(b'{"n":1.50,"n":1e2,"n":"\\u0041"}')
    assert view.text.split("\n")[1:-1] == ['  "n": 1.50,', '  "n": 1e2,', '  "n": "\\u0041"']


def test_long_json_is_cut() -> None:
    view = payload_view(b"[" + b",".join([b"1"] * 5_000) + b"]")
    assert view.is_cut
    assert len(view.lines) == SHOWN_LINES_MAX


def test_topics_are_the_contract_s() -> None:
    assert ROOT == contract.ROOT
    assert set(Lane.values) == {
        topics.LEDGER, topics.DAY, topics.DELIVERIES, topics.ALARMS, topics.STATUS, topics.PUMPS,
        topics.TANKS, topics.PRICES,
    }  # fmt: skip
    for topic in ("forecourt/v1/A-1/ledger", "forecourt/v1/A-1/pumps/3"):
        route = topics.parse_topic(topic.encode())
        assert topic_parts(topic)[:2] == (route.site_code, route.lane)
    assert topic_parts("forecourt/v2/A-1/ledger").site_code == ""
