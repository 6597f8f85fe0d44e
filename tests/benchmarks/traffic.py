"""The same messages for every contender, and a publisher that costs next to nothing.

Frames are made ahead of time and written to a plain socket, so that the publisher takes as little
as possible of the two cores it shares with what is measured. Runs as a process of its own:

    python -m tests.benchmarks.traffic PORT COUNT [--rate N] [--first N] [--array N] [--pumps]

At a rate, each entry says as its time of occurrence when it is due to be sent, so that what reads
it can tell how long it was under way, waiting in the sender's socket included.
"""

from __future__ import annotations

import argparse
import datetime
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

SITES = 50
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
FISCAL_DAY = NOON.date().isoformat()
SEND_EVERY_S = 0.001
PUMPS_PER_SITE = 8
#: How long a paced sender takes at most to make its frames before the first is due.
PREPARE_S_PER_FRAME = 100e-6


def site_code(number: int) -> str:
    """The code of a benchmark's site."""
    return f"BENCH-{number:02}"


def entry(index: int, occurred_at: datetime.datetime | None = None) -> dict[str, Any]:
    """The sale at a place in the stream: believable, every field there, all different."""
    at = occurred_at or NOON + datetime.timedelta(milliseconds=index)
    litres_thousandths = 5_000 + index * 7_919 % 60_000
    cents = round(litres_thousandths * 1.479 / 10)
    return {
        "fiscal_day": at.date().isoformat(),
        "sequence": index // SITES + 1,
        "kind": "sale",
        "occurred_at": at.isoformat(),
        "product": ("E10", "B7")[index % 2],
        "amount": f"{cents // 100}.{cents % 100:02}",
        "volume": f"{litres_thousandths // 1000}.{litres_thousandths % 1000:03}",
        "unit_price": "1.4790",
        "fuelling_point": index % 8 + 1,
        "nozzle": index % 2 + 1,
        "tank": index % 2 + 1,
        "tax_rate": "20.00",
        "payment": "card",
        "device_transaction": index % 65_536,
    }


def pump(index: int) -> dict[str, Any]:
    """The state of a pump at a place in the stream: the running litres of a fuelling."""
    centilitres = index // (SITES * PUMPS_PER_SITE) * 7 % 6_000
    return {
        "state": "fuelling",
        "at": (NOON + datetime.timedelta(milliseconds=index)).isoformat(),
        "nozzle": 1,
        "product": "E10",
        "volume": f"{centilitres // 100}.{centilitres % 100:02}",
        "amount": f"{centilitres * 3 // 200}.{centilitres * 3 // 2 % 100:02}",
        "unit_price": "1.479",
    }


def frame(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A PUBLISH (MQTT 3.1.1, section 3.3): at QoS 1, or at QoS 0 if the packet id is 0."""
    identifier = packet_id.to_bytes(2) if packet_id else b""
    body = len(topic).to_bytes(2) + topic.encode() + identifier + payload
    length, number = bytearray(), len(body)
    while True:
        number, digit = divmod(number, 128)
        length.append(digit | (0x80 if number else 0))
        if not number:
            return (b"\x32" if packet_id else b"\x30") + bytes(length) + body


def encoded(value: Any) -> bytes:
    """A payload."""
    return json.dumps(value, separators=(",", ":")).encode()


def pump_frames(count: int) -> Iterator[bytes]:
    """Yield a stretch of all pumps' states, at QoS 0 as the contract has it."""
    for index in range(count):
        site, number = divmod(index % (SITES * PUMPS_PER_SITE), PUMPS_PER_SITE)
        yield frame(f"forecourt/v1/{site_code(site)}/pumps/{number + 1}", encoded(pump(index)), 0)


def due_frames(first: int, count: int, rate: float, began: float) -> Iterator[bytes]:
    """Yield the frames of single entries that occur when they are due, from `began` (Unix) on."""
    start = datetime.datetime.fromtimestamp(began, datetime.UTC)
    for number, index in enumerate(range(first, first + count)):
        due = start + datetime.timedelta(seconds=number / rate)
        topic = f"forecourt/v1/{site_code(index % SITES)}/ledger"
        yield frame(topic, encoded(entry(index, due)), number % 65_535 + 1)


def frames(first: int, count: int, *, array: int = 0) -> Iterator[bytes]:
    """Yield the frames of a stretch of the stream; with `array`, that many entries in each."""
    step = array or 1
    for number, index in enumerate(range(first, first + count, step)):
        if array:
            # An array speaks for one site: take every SITES-th entry of its stream.
            site = number % SITES
            start = number // SITES * array
            payload: Any = [entry((start + n) * SITES + site) for n in range(array)]
        else:
            site = index % SITES
            payload = entry(index)
        topic = f"forecourt/v1/{site_code(site)}/ledger"
        yield frame(topic, encoded(payload), number % 65_535 + 1)


class Publisher:
    """A connection that publishes frames and counts what the broker confirmed."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        name = b"bench-publisher"
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + len(name).to_bytes(2) + name
        self._socket.sendall(b"\x10" + bytes([len(body)]) + body)
        assert self._read(4)[:2] == b"\x20\x02", "the broker did not accept the connection"
        self._unconfirmed_bytes = 0

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self._socket.recv(size - len(data))
        return data

    def send(self, data: bytes, to_confirm: int) -> None:
        """Send frames, of which so many will be confirmed (those of QoS 0 are not)."""
        self._socket.sendall(data)
        self._unconfirmed_bytes += 4 * to_confirm
        self._drain(block=False)

    def _drain(self, *, block: bool) -> None:
        self._socket.setblocking(block)
        try:
            while self._unconfirmed_bytes:
                data = self._socket.recv(1 << 16)
                if not data:
                    raise ConnectionError("the broker closed the connection")
                self._unconfirmed_bytes -= len(data)
        except BlockingIOError:
            pass
        finally:
            self._socket.setblocking(True)

    def finish(self) -> None:
        """Wait until everything is confirmed (a PUBACK is four bytes)."""
        self._drain(block=True)
        self._socket.sendall(b"\xe0\x00")
        self._socket.close()


def publish_all(port: int, first: int, count: int, *, array: int = 0) -> None:
    """Publish a stretch of the stream as fast as the broker takes it."""
    publisher = Publisher(port)
    pending: list[bytes] = []
    for one in frames(first, count, array=array):
        pending.append(one)
        if len(pending) >= 200:
            publisher.send(b"".join(pending), len(pending))
            pending.clear()
    publisher.send(b"".join(pending), len(pending))
    publisher.finish()


def publish_paced(
    port: int, made: Iterator[bytes], began: float, rate: float, *, is_confirmed: bool = True
) -> None:
    """Publish frames at so many a second, evenly, each when it is due from `began` (Unix) on."""
    ready = list(made)
    late_s = time.time() - began
    assert late_s < 0, f"the frames were ready {late_s:.1f} s after the first was due"
    publisher = Publisher(port)
    sent = 0
    while sent < len(ready):
        due = min(len(ready), int((time.time() - began) * rate))
        if due > sent:
            publisher.send(b"".join(ready[sent:due]), due - sent if is_confirmed else 0)
            sent = due
        time.sleep(SEND_EVERY_S)
    publisher.finish()


def main() -> None:
    """Publish as the command line says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--array", type=int, default=0)
    parser.add_argument("--pumps", action="store_true")
    arguments = parser.parse_args()
    port, count, rate = arguments.port, arguments.count, arguments.rate
    began = time.time() + 0.5 + count * PREPARE_S_PER_FRAME
    if arguments.pumps:
        publish_paced(port, pump_frames(count), began, rate, is_confirmed=False)
    elif rate:
        publish_paced(port, due_frames(arguments.first, count, rate, began), began, rate)
    else:
        publish_all(port, arguments.first, count, array=arguments.array)


if __name__ == "__main__":
    main()
