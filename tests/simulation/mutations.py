"""Faults put into a copy of the service, to see that the seeds find them. Each is an edit that a person could make by mistake."""

import msgspec


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """`old` stands exactly once in `path` and becomes `new`. `what` is how the benchmark's page names it.

    `caught_by`: which other guard makes it harmless, so that no seed is to find it. `tested_by`: the flow test that fails with it, where
    what it needs is too rare for seeds to be relied on.
    """

    what: str
    path: str
    old: str
    new: str
    caught_by: str = ""
    tested_by: str = ""


MUTATIONS = (
    Mutation(
        what="a hold that lapses keeps its seats",
        path="app/flows/lapse_pledge.py",
        old="await trips.move_people(conn, trip.id, held=-pledge.people)",
        new="pass",
    ),
    Mutation(
        what="a rider who withdraws keeps the seats",
        path="app/flows/withdraw_pledge.py",
        old="await free_people(conn, [pledge])",
        new="pass",
    ),
    Mutation(
        what="a dropped pledge keeps its seats",
        path="app/flows/collect_payment.py",
        old="await free_people(conn, [pledge])",
        new="pass",
    ),
    Mutation(
        what="a late card takes seats that are gone",
        path="app/flows/card_saved.py",
        old="room = pledge.people <= trip.room - await read_kept_for_line(conn, trip) and",
        new="room =",
    ),
    Mutation(
        what="a trip confirms one short of its minimum",
        path="app/domain/trips/model.py",
        old="trip.secured >= trip.minimum and now <= trip.deadline_at",
        new="trip.secured + 1 >= trip.minimum and now <= trip.deadline_at",
    ),
    Mutation(
        what="a trip is confirmed again by each later pledge",
        path="app/flows/secure_pledge.py",
        old="await collect_fares(conn, trip, [secured.id])",
        new="await confirm_within(conn, trip, tipped_by=pledge.id, now=now)",
    ),
    Mutation(
        what="a later pledge is confirmed and never charged",
        path="app/flows/secure_pledge.py",
        old="await collect_fares(conn, trip, [secured.id])",
        new="pass",
    ),
    Mutation(
        what="a cancelled trip refunds nothing",
        path="app/flows/give_back.py",
        old="refunded = await refund_rest(conn, charges, reason)",
        new="refunded: dict[UUID, int] = {}",
    ),
    Mutation(
        what="a charge that succeeds after its pledge has left is kept",
        path="app/flows/settle_payment.py",
        old="await refund_late_charge(conn, pledge, payment)",
        new="pass",
    ),
    Mutation(
        what="a refund nobody answered for is sent under a new key, without looking",
        path="app/flows/send_refund.py",
        old="if refund.attempts > 1 else []",
        new='if refund.attempts > 99 else []\n        key += f"-{refund.attempts}"',
    ),
    Mutation(
        what="a charge that may still take money is void at once",
        path="app/domain/payments/service.py",
        old="closing = [payment.id for payment in payments if payment.id in moving]",
        new="closing: list[UUID] = []",
    ),
    Mutation(
        what="a charge is void although nobody answered for one of its attempts",
        path="app/domain/payments/service.py",
        old=" | await store.list_unanswered(conn, [one.id for one in payments])",
        new="",
        tested_by="tests/flows/payments/test_overtaken.py::"
        "test_a_confirmation_that_arrives_after_its_charge_was_let_go_takes_no_money_for_good",
    ),
    Mutation(
        what="a settled charge is claimed again by a second job",
        path="app/domain/payments/store.py",
        old="WHERE id = $1 AND state = ANY($2::text[]) AND (NOT $3::boolean OR state = 'due' OR next_attempt_at <= busload_now())",
        new="WHERE id = $1 AND cardinality($2::text[]) > 0 AND (NOT $3::boolean OR true)",
    ),
    Mutation(
        what="the answer of an overtaken attempt counts",
        path="app/flows/settle_payment.py",
        old="if outcome.state is not PaymentState.SUCCEEDED and attempt not in {None, before.attempts}:",
        new="if outcome.state is not PaymentState.SUCCEEDED and attempt == -1:",
        tested_by="tests/flows/payments/test_overtaken.py::test_the_late_failure_of_an_attempt_does_not_end_the_one_that_took_over",
    ),
    Mutation(
        what="an attempt that a look-up has settled may still fail",
        path="app/flows/settle_payment.py",
        old="before.state not in ({PaymentState.UNKNOWN} if by_hint else IN_FLIGHT):",
        new="by_hint and before.state is not PaymentState.UNKNOWN:",
    ),
    Mutation(
        what="a webhook's news of a failure is weighed before the lock",
        path="app/flows/look_up_payment.py",
        old="await settle_payment(pool, payment.id, outcome_of(intent), by_hint=True)",
        new="""import msgspec
    news = outcome_of(intent)
    if payment.state is not PaymentState.UNKNOWN and news.state is not PaymentState.SUCCEEDED:
        news = msgspec.structs.replace(news, state=payment.state)
    await settle_payment(pool, payment.id, news)""",
        caught_by="no failure moves a charge that is not under way: `settle_payment` asks under the lock",
    ),
    Mutation(
        what="nobody looks up a charge whose answer was lost",
        path="app/domain/payments/service.py",
        old='        await set_timer(conn, "payment_lookup", payment.id, await busload_now(conn) + LOOKUP_AFTER)\n    else:',
        new="        pass\n    else:",
        caught_by="the attempt's own timer, set when the charge was claimed, is left standing",
    ),
    Mutation(
        what="a look-up that found no answer is the last one",
        path="app/flows/look_up_payment.py",
        old='await set_timer(conn, "payment_lookup", payment_id, await busload_now(conn) + LOOKUP_AFTER)',
        new="pass",
    ),
    Mutation(
        what="a hold has no timer",
        path="app/flows/pledge_batch.py",
        old='await set_timers(conn, "pledge_hold", pending, read.now + HOLD)',
        new="pass",
    ),
    Mutation(
        what="an offer has no expiry timer",
        path="app/flows/send_offers.py",
        old='await set_timer(conn, "offer_expiry", offer.id, expires_at)',
        new="pass",
    ),
    Mutation(
        what="a webhook moves the poller's mark past what it has not read",
        path="app/domain/payments/inbox_store.py",
        old="SELECT event_ref FROM stripe_news_mark",
        new="SELECT id FROM stripe_events ORDER BY created_at DESC, received_at DESC, id DESC LIMIT 1",
    ),
    Mutation(
        what="an operator pulls out and the manifest stays",
        path="app/flows/seats_lost.py",
        old="await withdraw_manifests_within(conn, event.id)",
        new="pass",
    ),
    Mutation(
        what="people who leave a planned trip stay on the manifest",
        path="app/flows/seats_freed.py",
        old="await issue_manifests_within(conn, event.id, cause=cause)",
        new="pass",
    ),
    Mutation(
        what="who lost the way back after the trip has departed is forgotten",
        path="app/domain/dispatch/store/demand.py",
        old="AND p.state = 'paid' AND t.state IN ('confirmed', 'allocated', 'departed') ORDER BY p.id",
        new="AND p.state = 'paid' AND t.state IN ('confirmed', 'allocated') ORDER BY p.id",
    ),
    Mutation(
        what="a trip completes although somebody in it is owed a leg",
        path="app/domain/manifests/day_store.py",
        old="""WHERE mp.pledge_id = p.id AND mp.leg = way.leg))
        RETURNING""",
        new="""WHERE mp.pledge_id = p.id AND mp.leg = way.leg) AND false)
        RETURNING""",
        tested_by="tests/flows/dispatch/test_lost_on_the_road.py::test_a_bus_back_that_is_lost_after_the_bus_there_has_left_is_replaced",
    ),
    Mutation(
        what="a trip that the last of its people have left is looked at no more",
        path="app/flows/seats_freed.py",
        old="await end_empty_trips(conn, event)",
        new="pass",
    ),
    Mutation(
        what="a cancelled event calls off the buses that bring people home",
        path="app/flows/seats_freed.py",
        old="offer.state is OfferState.ACCEPTED and offer.duty_id not in needed",
        new="offer.state is OfferState.ACCEPTED",
        tested_by="tests/flows/dispatch/test_lost_on_the_road.py::"
        "test_an_event_cancelled_while_people_are_out_brings_them_home_or_pays_them_back",
    ),
    Mutation(
        what="an offer of a plan that is not the current one is accepted",
        path="app/flows/answer_offer.py",
        old="if duty is None or not await plans.is_in_current_plan(conn, offer.duty_id):",
        new="if duty is None:",
        caught_by="the plan that takes its place withdraws every offer whose duty it lacks, in its own transaction",
    ),
    Mutation(
        what="who has no seat at the capacity deadline is not refunded",
        path="app/flows/capacity_deadline.py",
        old="await refund_unseated(conn, event, unseated)",
        new="pass",
    ),
    Mutation(
        what="an answered transfer is sent again without looking, under a new key",
        path="app/flows/send_payout.py",
        old="if payout.attempts > 1 else []",
        new='if payout.attempts > 99 else []\n        key += f"-{payout.attempts}"',
    ),
    Mutation(
        what="a refund is not held while its charge is disputed",
        path="app/domain/payments/dispute_store.py",
        old="AND elsewhere_at IS NULL AND state IN ('due', 'failed') RETURNING id",
        new="AND elsewhere_at IS NULL AND state = 'nothing' RETURNING id",
    ),
    Mutation(
        what="a refund refused while its charge is disputed is not held",
        path="app/flows/send_refund.py",
        old="await hold_refused_within(conn, payment)",
        new="pass",
    ),
)
