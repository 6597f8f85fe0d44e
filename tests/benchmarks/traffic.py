"""The same messages for every contender, and a publisher that costs next to nothing.

Frames are made ahead of time and written to a plain socket, so that the publisher takes as little
as possible of the two cores it shares with what is measured. Runs as a process of its own:

    python -m tests.benchmarks.traffic PORT COUNT [--rate N] [--first N] [--array N]
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
FISCAL_DAY = "2026-11-20"
NOON = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
SEND_EVERY_S = 0.005


def site_code(number: int) -> str:
    """The code of a benchmark's site."""
    return f"BENCH-{number:02}"


def entry(index: int) -> dict[str, Any]:
    """The sale at a place in the stream: believable, every field there, all different."""
    litres_thousandths = 5_000 + index * 7_919 % 60_000
    cents = round(litres_thousandths * 1.479 / 10)
    return {
        "fiscal_day": FISCAL_DAY,
        "sequence": index // SITES + 1,
        "kind": "sale",
        "occurred_at": (NOON + datetime.timedelta(milliseconds=index)).isoformat(),
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


def frame(topic: str, payload: bytes, packet_id: int) -> bytes:
    """A QoS 1 PUBLISH (MQTT 3.1.1, section 3.3)."""
    body = len(topic).to_bytes(2) + topic.encode() + packet_id.to_bytes(2) + payload
    length, number = bytearray(), len(body)
    while True:
        number, digit = divmod(number, 128)
        length.append(digit | (0x80 if number else 0))
        if not number:
            return b"\x32" + bytes(length) + body


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
        yield frame(topic, json.dumps(payload, separators=(",", ":")).encode(), number % 65_535 + 1)


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

    def send(self, data: bytes, count: int) -> None:
        """Send `count` frames."""
        self._socket.sendall(data)
        self._unconfirmed_bytes += 4 * count
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


def publish_paced(port: int, first: int, count: int, rate: float) -> None:
    """Publish a stretch of the stream at so many messages a second, evenly."""
    made = list(frames(first, count))
    publisher = Publisher(port)
    began = time.perf_counter()
    sent = 0
    while sent < len(made):
        due = min(len(made), int((time.perf_counter() - began) * rate))
        if due > sent:
            publisher.send(b"".join(made[sent:due]), due - sent)
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
    arguments = parser.parse_args()
    if arguments.rate:
        publish_paced(arguments.port, arguments.first, arguments.count, arguments.rate)
    else:
        publish_all(arguments.port, arguments.first, arguments.count, array=arguments.array)


if __name__ == "__main__":
    main()
