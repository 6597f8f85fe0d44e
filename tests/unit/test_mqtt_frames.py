"""Frames are cut out of a byte stream, wherever it is torn."""

from collections.abc import Iterable
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.mqtt import BrokerAddress, FrameError, FrameReader, InOrder, Message
from tests.scripted_broker import CONNACK, PINGRESP, publish

SUBACK = b"\x90\x03\x00\x01\x01"

messages = st.builds(
    lambda *parts: parts,
    st.binary(min_size=1, max_size=40),
    st.binary(max_size=300) | st.binary(min_size=16_000, max_size=17_000),
    st.integers(0, 65_535),
)
others = st.sampled_from([CONNACK, SUBACK, PINGRESP])


@given(st.lists(messages | others, max_size=12), st.lists(st.integers(0, 40_000), max_size=12))
def test_any_tear_gives_the_same_frames(frames: list, cuts: list[int]) -> None:
    stream = b"".join(publish(*frame) if isinstance(frame, tuple) else frame for frame in frames)
    reader = FrameReader()
    found: list[Message] = []
    passed_on: list[bytes] = []
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    size = sum(reader.feed(stream[start:end], found, passed_on) for start, end in pairwise(edges))
    assert found == [frame for frame in frames if isinstance(frame, tuple)]
    assert passed_on == [frame for frame in frames if not isinstance(frame, tuple)]
    assert size == sum(len(payload) for _, payload, _ in found)


def read(parts: Iterable[bytes]) -> tuple[list[Message], list[bytes]]:
    """The messages and the other frames of a stream that comes in these parts."""
    reader = FrameReader()
    found: list[Message] = []
    passed_on: list[bytes] = []
    for part in parts:
        reader.feed(part, found, passed_on)
    return found, passed_on


def test_every_split_into_three_gives_the_same_frames() -> None:
    stream = (
        CONNACK
        + publish(b"a/b", b"payload", 7)
        + SUBACK
        + publish(b"a", b"")
        + PINGRESP
        + publish(b"a", b"x" * 130, 65_535)
    )
    whole = read([stream])
    assert whole == (
        [(b"a/b", b"payload", 7), (b"a", b"", 0), (b"a", b"x" * 130, 65_535)],
        [CONNACK, SUBACK, PINGRESP],
    )
    for first, second in combinations(range(len(stream) + 1), 2):
        assert read([stream[:first], stream[first:second], stream[second:]]) == whole
    assert read(bytes([byte]) for byte in stream) == whole


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        (b"\x30\xff\xff\xff\xff\x01", "a frame's length runs over four bytes"),
        (b"\x30\x03\x00\xffa", "a topic longer than its frame"),
        (b"\x90\xff\xff\xff\x7f", "an answer of 268435455 bytes"),
        (b"\x30\x00", "a message without a topic"),
        (b"\x30\x01\x00", "a message without a topic"),
        (b"\x32\x03\x00\x01a", "a message without its number"),
        (b"\x32\x04\x00\x01a\x00", "a message without its number"),
        (b"\x34\x05\x00\x01a\x00\x07", "a message of QoS 2"),
        (b"\x36\x05\x00\x01a\x00\x07", "a message of QoS 2"),
    ],
)
def test_what_is_not_mqtt_is_refused(stream: bytes, why: str) -> None:
    """Wherever it is torn, and whatever follows."""
    for start in range(len(stream) + 1):
        for follower in (b"", PINGRESP * 8):
            with pytest.raises(FrameError, match=why):
                read([stream[:start], stream[start:] + follower])


@pytest.mark.parametrize("kept", [20, 21, 400])
def test_of_a_payload_too_long_the_beginning_is_kept(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is torn; and what stands before and after it is whole."""
    monkeypatch.setattr("ingest.mqtt.FRAME_BYTES_MAX", kept)
    payload = bytes(range(250)) * 2
    short, answer = publish(b"a", b"short", 1), b"\x90\x03\x00\x01\x01"
    stream = short + publish(b"long", payload, 2) + answer + publish(b"long", payload) + short
    for first in range(len(stream) + 1):
        found, passed_on = read([stream[:first], stream[first : first + 7], stream[first + 7 :]])
        assert found == [
            (b"a", b"short", 1),
            (b"long", payload[: kept - 8], 2),
            (b"long", payload[: kept - 6], 0),
            (b"a", b"short", 1),
        ]
        assert [getattr(payload, "size", None) for _, payload, _ in found] == [None, 500, 500, None]
        assert passed_on == [answer]


def test_addresses() -> None:
    assert BrokerAddress.parse("mqtt://example.org") == BrokerAddress(
        "example.org", 1883, None, None, tls=False
    )
    assert BrokerAddress.parse("mqtts://me:p%40ss@example.org:1") == BrokerAddress(
        "example.org", 1, "me", "p@ss", tls=True
    )
    with pytest.raises(ValueError, match="is not mqtt://"):
        BrokerAddress.parse("http://example.org")
    with pytest.raises(ValueError, match="authority's certificate cannot be read"):
        BrokerAddress.parse("mqtts://example.org", authority="/etc/ca.pem")


def test_acknowledgements_go_out_in_the_order_of_arrival() -> None:
    order = InOrder()
    order.received([(b"t", b"", packet_id) for packet_id in (1, 0, 2, 3)])
    assert order.release([2]) == []
    assert order.release([3, 1]) == [1, 2, 3]
    # The broker numbers from the start again.
    order.received([(b"t", b"", packet_id) for packet_id in (4, 1)])
    assert order.release([1]) == []
    assert order.release([4]) == [4, 1]


def test_a_message_sent_again_holds_up_no_acknowledgement() -> None:
    order = InOrder()
    order.received([(b"t", b"", packet_id) for packet_id in (1, 1, 2)])
    assert order.release([1, 1]) == [1, 1]
    assert order.release([2]) == [2]
