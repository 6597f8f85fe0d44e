"""Every message comes twice, in no order at all, and in other company than before."""

from __future__ import annotations

import random

from tests.faults.conftest import Rig
from tests.faults.traffic import publications

ENTRIES = 3_000
#: Entries outrun each other by so many places.
SPREAD = 300


async def test_every_message_twice_and_out_of_order(rig: Rig) -> None:
    worker = rig.start_worker()
    random_numbers = random.Random(412)
    entries = rig.controllers.entries(ENTRIES)
    near = sorted(range(ENTRIES), key=lambda place: place + random_numbers.uniform(0, SPREAD))
    anywhere = random_numbers.sample(entries, ENTRIES)
    # Other order, other arrays: the same entry is alone once and in an array the other time.
    messages = publications([entries[place] for place in near]) + publications(anywhere)
    random_numbers.shuffle(messages)
    async with rig.sending(messages):
        pass
    rig.published += entries
    await rig.until("SELECT sum(stored + duplicates) FROM pulse", 2 * ENTRIES)
    assert rig.value("SELECT sum(duplicates) FROM pulse") == ENTRIES
    await rig.finish(worker)
