"""A charge that is due is tried whatever becomes of its first job."""

from datetime import timedelta

from app.worker import sweep
from tests.support.ledgers import charges_at_stripe
from tests.support.riders import states, tipped
from tests.support.service import Service

AHEAD = timedelta(minutes=10)


async def test_a_charge_made_due_under_a_clock_that_is_then_set_back_waits_for_no_time(service: Service) -> None:
    await service.jump(AHEAD)
    _, placed = await tipped(service)
    await service.jump(timedelta())
    await service.work("charge_payment")
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1


async def test_a_charge_whose_job_was_lost_is_remembered_within_the_hour_and_made_once(service: Service) -> None:
    _, placed = await tipped(service)
    await service.pool.execute("DELETE FROM pgqueuer WHERE entrypoint = 'charge_payment'")
    await sweep(service.wiring)
    assert await service.work("charge_payment") == 0, "nothing is asked for twice while it may still wait its turn"
    await service.jump(timedelta(minutes=61))
    await sweep(service.wiring)
    await service.sweep()
    await service.work("charge_payment")
    assert await states(service, placed) == ["succeeded"]
    assert len(await charges_at_stripe(service, placed)) == 1
