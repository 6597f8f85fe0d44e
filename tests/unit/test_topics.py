"""A topic names a lane of a site, or says why it does not."""

import pytest

from ingest.topics import TopicTable, parse_topic


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("forecourt/v1/LON-1/ledger", ("LON-1", "ledger", 0)),
        ("forecourt/v1/LON-1/pumps/12", ("LON-1", "pumps", 12)),
        ("forecourt/v1/LON-1/tanks/1", ("LON-1", "tanks", 1)),
        ("forecourt/v1/LON-1/commands", ("LON-1", "commands", 0)),
    ],
)
def test_lanes_of_the_contract(topic: str, expected: tuple[str, str, int]) -> None:
    route = parse_topic(topic.encode())
    assert (route.site_code, route.lane, route.device) == expected
    assert route.problem == ""


@pytest.mark.parametrize(
    "topic",
    [
        "forecourt/v1/LON-1",
        "forecourt/v1/LON-1/gossip",
        "forecourt/v1/LON-1/pumps",
        "forecourt/v1/LON-1/pumps/one",
        "forecourt/v1/LON-1/pumps/99999",
        f"forecourt/v1/LON-1/pumps/{'1' * 5000}",
        "forecourt/v1/LON-1/ledger/1",
        "forecourt/v1/LON-1/pumps/1/2",
        "forecourt/v1/LON_1/ledger",
        "forecourt/v1//ledger",
        f"forecourt/v1/{'x' * 33}/ledger",
        "forecourt/v2/LON-1/ledger",
        "forecourt",
    ],
)
def test_what_the_contract_does_not_know_is_said(topic: str) -> None:
    assert parse_topic(topic.encode()).problem


def test_bytes_that_are_no_text_are_spelled_out() -> None:
    assert parse_topic(b"forecourt/v1/\xff/ledger").topic == "forecourt/v1/\\xff/ledger"


def test_a_table_remembers_the_contract_s_topics_alone() -> None:
    table = TopicTable()
    assert table.route(b"forecourt/v1/LON-1/day") is table.route(b"forecourt/v1/LON-1/day")
    assert table.route(b"forecourt/x") is not table.route(b"forecourt/x")
    assert table.route(b"forecourt/x").problem
