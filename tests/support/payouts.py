"""An event whose buses are home: paid parties with posted charges, driven duties, a fake Stripe whose balance carries them."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec

from app.core.clock import shift_clock
from app.core.database import Connection, Pool, transaction
from app.core.ids import new_id, public_code
from app.domain.notifications.letters import build_letter_environment
from app.domain.partners.sending import WebhookClient
from app.domain.payments import ledger
from app.domain.payments.gateway import PaymentGateway
from app.domain.payments.payouts import store
from app.domain.payments.payouts.model import Payout, PayoutKind
from app.flows.complete_duty import complete_duty
from app.flows.issue_manifests import issue_manifests_within
from app.flows.onboard_payee import open_onboarding, refresh_payee
from app.worker import Wiring, fire_due
from solver.travel import GreatCircle
from tests.support.fake_stripe import FakeStripe
from tests.support.travel_world import SECRET, World, add_duty, add_party, allocate, build_world

AVAILABLE_AT_ONCE = "4000000000000077"
FARES_MINOR = 3 * 8 * 8900
HIRE_MINOR = 180_000
HOME = timedelta(hours=14)
PAGE = "http://127.0.0.1:1/back"


class Yard(msgspec.Struct, frozen=True, kw_only=True):
    """A driven event. `wiring` is a worker's, with the fake's gateway."""

    pool: Pool
    stripe: FakeStripe
    world: World
    duty: UUID
    partner: UUID
    wiring: Wiring

    async def sweep(self, *, after: timedelta | None = None) -> int:
        """Fires what is due, the clock moved on before if wished."""
        if after is not None:
            await jump(self.pool, after)
        return await fire_due(self.wiring)

    async def payout(self, kind: PayoutKind = PayoutKind.HIRE, duty: UUID | None = None) -> Payout:
        """The one payout of that kind for the duty (for a share: the event)."""
        reference = self.world.event_id if kind is PayoutKind.SHARE else duty or self.duty
        async with self.pool.acquire() as conn:
            [found] = [one for one in await store.list_payouts(conn, [reference]) if one.kind is kind]
        return found

    async def transfers(self) -> list[dict[str, Any]]:
        """The operator's transfers in Stripe's own books, the oldest first."""
        return await transfers_to(self.pool, self.stripe, self.world.operator_id)

    async def balance(self, account: str) -> int:
        """What an account holds in the event's book; a credit is positive."""
        async with self.pool.acquire() as conn:
            found = await ledger.list_balances(conn, [f"event:{self.world.event_id}"])
        return sum(-one.amount_minor for one in found if one.account == account)

    async def mails(self, template: str) -> int:
        """How many mails of a kind were queued."""
        return int(await self.pool.fetchval("SELECT count(*) FROM mails WHERE template = $1", template))

    def with_gateway(self, gateway: PaymentGateway) -> "Yard":
        """The same with another gateway at the worker."""
        return msgspec.structs.replace(self, wiring=msgspec.structs.replace(self.wiring, gateway=gateway))


async def transfers_to(pool: Pool, stripe: FakeStripe, payee_id: UUID) -> list[dict[str, Any]]:
    """A payee's transfers in Stripe's own books, the oldest first."""
    account = await pool.fetchval("SELECT account_ref FROM payees WHERE id = $1", payee_id)
    return [one for one in (await stripe.books())["transfers"] if one["destination"] == account]


async def jump(pool: Pool, further: timedelta) -> None:
    """The clock runs on."""
    async with transaction(pool) as conn:
        shift: timedelta = await conn.fetchval("SELECT clock_shift FROM installation")
        await shift_clock(conn, shift + further)


async def build_yard(pool: Pool, stripe: FakeStripe, *, home: bool = True, starts_in: timedelta = timedelta(hours=-1)) -> Yard:
    """One duty for three parties of eight, their fares charged; a partner with a share of two per cent. `home` completes the duty."""
    world, duty, partner = await set_off(pool, starts_in=starts_in)
    await fill_balance(stripe, 4 * HIRE_MINOR)
    if home:
        await come_home(pool, duty)
    return Yard(pool=pool, stripe=stripe, world=world, duty=duty, partner=partner, wiring=wiring_for(pool, stripe))


async def set_off(pool: Pool, *, starts_in: timedelta = timedelta(hours=-1)) -> tuple[World, UUID, UUID]:
    """The same without a Stripe, its duty not home yet: the world, the duty and the partner."""
    async with pool.acquire() as conn:
        world = await build_world(conn, starts_in=starts_in)
        parties = [await add_party(conn, world, seats=8, name=f"Party {number}") for number in range(3)]
        for party in parties:
            await charge(conn, world, party)
        await conn.execute("UPDATE trips SET secured = 24 WHERE id = $1", world.trip_id)
        duty = await add_duty(conn, world, parties)
        partner = new_id()
        await conn.execute(
            "INSERT INTO partners (id, public_code, name, email) VALUES ($1, $2, 'The Club', 'desk@club.example')", partner, public_code()
        )
        await conn.execute("UPDATE events SET partner_id = $2 WHERE id = $1", world.event_id, partner)
        await issue_manifests_within(conn, world.event_id, cause="test")
        await allocate(conn, world)
        await conn.execute("DELETE FROM pgqueuer")
        await conn.execute("UPDATE mails SET sent_at = busload_now()")
    return world, duty, partner


async def come_home(pool: Pool, *duties: UUID) -> None:
    """The buses are back at their depots."""
    await jump(pool, HOME)
    for duty in duties:
        await complete_duty(pool, duty_id=duty)


def wiring_for(pool: Pool, stripe: FakeStripe) -> Wiring:
    """What a worker's timers need."""
    letters = build_letter_environment(secret=SECRET, base_url="http://localhost")
    return Wiring(
        pool=pool, gateway=stripe.gateway, mail_server=cast("Any", None), letters=letters, webhooks=WebhookClient(), travel=GreatCircle(),
        settings=cast("Any", None),
    )  # fmt: skip


async def charge(conn: Connection, world: World, pledge_id: UUID) -> UUID:
    """The pledge's fare went through and is posted."""
    payment_id = new_id()
    await conn.execute(
        """
        INSERT INTO payments (id, reference, purpose, book, amount_minor, currency, description, state, customer_ref, payment_method_ref,
            intent_ref, collect_until)
        SELECT $1, g.id, 'fare', 'event:' || g.event_id, g.amount_minor, g.currency, 'a fare', 'due', 'cus_1', 'pm_1', 'pi_' || g.id,
            busload_now()
        FROM pledges g WHERE g.id = $2
        """,
        payment_id,
        pledge_id,
    )
    await conn.execute("UPDATE payments SET state = 'submitting', attempts = 1, submitted_at = busload_now() WHERE id = $1", payment_id)
    await conn.execute("UPDATE payments SET state = 'succeeded', settled_at = busload_now() WHERE id = $1", payment_id)
    amount_minor = await conn.fetchval("SELECT amount_minor FROM payments WHERE id = $1", payment_id)
    await ledger.post(
        conn, kind="charge", cause=payment_id, book=f"event:{world.event_id}", currency="USD", external_ref=None,
        entries=[(ledger.CLEARING, amount_minor), (ledger.FARES, -amount_minor)],
    )  # fmt: skip
    return payment_id


async def refund(conn: Connection, world: World, payment_id: UUID, amount_minor: int, *, state: str = "succeeded") -> UUID:
    """Part of a fare goes back; posted when it has."""
    refund_id = new_id()
    await conn.execute(
        "INSERT INTO refunds (id, payment_id, reason, amount_minor, currency, state) VALUES ($1, $2, 'ladder', $3, 'USD', 'due')",
        refund_id,
        payment_id,
        amount_minor,
    )
    await conn.execute("UPDATE refunds SET state = 'submitting', submitted_at = busload_now() WHERE id = $1", refund_id)
    if state == "succeeded":
        await land(conn, world, refund_id)
    return refund_id


async def land(conn: Connection, world: World, refund_id: UUID) -> None:
    """The refund went through."""
    await conn.execute(
        "UPDATE refunds SET state = 'succeeded', settled_at = busload_now(), refund_ref = 're_' || id::text WHERE id = $1", refund_id
    )
    amount_minor = await conn.fetchval("SELECT amount_minor FROM refunds WHERE id = $1", refund_id)
    await ledger.post(
        conn, kind="refund", cause=refund_id, book=f"event:{world.event_id}", currency="USD", external_ref=None,
        entries=[(ledger.FARES, amount_minor), (ledger.CLEARING, -amount_minor)],
    )  # fmt: skip


async def fill_balance(stripe: FakeStripe, amount_minor: int, currency: str = "usd") -> None:
    """Money in our balance at Stripe, available at once."""
    card = await stripe.saved_card(AVAILABLE_AT_ONCE)
    assert card.customer_ref is not None
    assert card.payment_method_ref is not None
    intent = await stripe.gateway.create_payment_intent(
        payment_id=uuid4().hex, customer_ref=card.customer_ref, payment_method_ref=card.payment_method_ref,
        amount_minor=amount_minor * 102 // 100 + 100, currency=currency, description="fares", metadata={}, idempotency_key=uuid4().hex,
    )  # fmt: skip
    await stripe.confirm(intent, card)


async def onboard(yard: Yard, payee_id: UUID | None = None, *, ready: bool = True, country: str | None = "US") -> str:
    """The operator (or partner) opens its account and, if `ready`, finishes; the account's ref."""
    payee_id = payee_id or yard.world.operator_id
    await open_onboarding(
        yard.pool, payee_id, country=country, gateway=yard.stripe.gateway, return_url=PAGE, refresh_url=PAGE, actor="test"
    )
    ref: str = await yard.pool.fetchval("SELECT account_ref FROM payees WHERE id = $1", payee_id)
    if ready:
        await yard.stripe.stage(f"accounts/{ref}/enable", {})
        await refresh_payee(yard.pool, payee_id, gateway=yard.stripe.gateway)
    return ref
