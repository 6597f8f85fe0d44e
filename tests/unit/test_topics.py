"""A topic names a lane of a site, or says why it does not."""

import pytest

from ingest.topics import ELSEWHERE, Share, TopicTable, parse_topic


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


def test_each_topic_is_in_one_share_and_a_site_s_topics_are_in_the_same() -> None:
    shares = [TopicTable(Share(number, 3)) for number in (1, 2, 3)]
    takers = {}
    for site in range(60):
        lanes = ("ledger", "pumps/1", "tanks/2", "day", "gossip")
        takers[site] = {
            tuple(
                table.route(f"forecourt/v1/S{site}/{lane}".encode()).lane != ELSEWHERE
                for table in shares
            )
            for lane in lanes
        }
    assert all(len(found) == 1 and sum(*found) == 1 for found in takers.values())
    assert {next(iter(found)).index(True) for found in takers.values()} == {0, 1, 2}


def test_an_unknown_topic_is_in_one_share() -> None:
    for topic in (b"forecourt", b"forecourt/v2/x", b"forecourt/v1/\xff/ledger"):
        routes = [TopicTable(Share(number, 2)).route(topic) for number in (1, 2)]
        assert sorted(route.lane == ELSEWHERE for route in routes) == [False, True]
        assert sum(bool(route.problem) for route in routes) == 1


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "a/b", "1/2/3"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no share K/N"):
        Share.parse(text)


def test_shares_have_names_of_their_own() -> None:
    assert Share.parse("2/3").suffix == "-2-of-3"
    assert Share.parse("1/1").suffix == ""


def test_a_table_remembers_the_contract_s_topics_alone() -> None:
    table = TopicTable()
    assert table.route(b"forecourt/v1/LON-1/day") is table.route(b"forecourt/v1/LON-1/day")
    assert table.route(b"forecourt/x") is not table.route(b"forecourt/x")
    assert table.route(b"forecourt/x").problem
