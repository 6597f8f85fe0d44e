"""Two workers at once: of one name, and of one group."""

from __future__ import annotations

from tests.faults.conftest import Rig

ENTRIES = 2_000
GROUP = "workers"
_STANDBY = "standing by"


async def test_the_second_of_a_name_stands_by_and_takes_over(rig: Rig) -> None:
    worker = rig.start_worker()
    await rig.publish(10)
    await rig.until_all_stored()
    for _ in range(3):
        standby = rig.start_worker()
        await rig.until_said(standby, _STANDBY)
        async with rig.publishing(ENTRIES):
            await rig.until_stored(rig.stored() + ENTRIES // 5)
            assert worker.kill() == -9
        await rig.until_all_stored()
        worker = standby
    await rig.finish(worker)


async def test_two_of_a_group_store_the_same_days_at_once(rig: Rig) -> None:
    """Each message goes to either; both write the same sites' days, and one of them is killed."""
    names = [f"{rig.name}-{number}" for number in range(2)]
    for name in names:
        await rig.keep_session(name, f"$share/{GROUP}/forecourt/#")
    first, second = (rig.start_worker("--group", GROUP, name=name) for name in names)
    await rig.until("SELECT count(DISTINCT worker) FROM pulse", 2)
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = rig.value(deadlocks)
    async with rig.publishing(3 * ENTRIES):
        await rig.until_stored(ENTRIES)
        assert second.kill() == -9
        second = rig.start_worker("--group", GROUP, name=names[1])
    await rig.until_all_stored()
    assert [await rig.stop(worker) for worker in (first, second)] == [0, 0]
    rig.assert_ledger_is_what_was_published()
    assert (
        rig.value(
            "SELECT count(*) FROM (SELECT worker FROM pulse GROUP BY 1 HAVING sum(stored) > 0)"
        )
        == 2
    )
    assert rig.value(deadlocks) == before
    assert rig.value("SELECT sum(stored) FROM pulse") <= len(rig.published)
