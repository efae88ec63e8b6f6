"""What is held about a person, told and taken out again. Money and trips keep their ids: balances and invariants stay as they are."""

import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.core.errors import Gone, NotFound
from app.core.ids import derived_token, token_hash
from app.core.jobs import enqueue_for
from app.core.log import logger
from app.domain.accounts.model import ErasureState
from app.domain.notifications.service import queue_mail
from app.domain.payments.gateway import NotFound as NoSuchCustomer
from app.domain.payments.gateway import PaymentGateway
from app.domain.pledges import store as pledges
from app.flows import personal_data_store as store
from app.flows.personal_data_store import Erasure, Need, Person

log = logger(__name__)
PURPOSE = "erase"
LINK_LIFETIME = timedelta(hours=24)
AFTER_EVENT = timedelta(days=2)  # who was left behind, what was lost: people still call
KEPT_FOR_LAW = timedelta(days=3653)  # books and what they rest on: ten years, the longest that a tax law we know asks for
NEEDS = {
    "undecided": "Pledge {subject} waits for its trip. Withdraw it (free of charge), or wait until the trip is decided.",
    "travels": "Pledge {subject} is about to travel, or has just travelled.",
    "payment": "A charge of pledge {subject} is under way.",
    "dispute": "Your bank has not decided about a charge of pledge {subject} yet.",
    "refund": "Money of pledge {subject} is on its way back to you.",
    "drives": "You are to drive duty {subject}, or have just driven it.",
}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a wish stands: done, or what it waits for (sentences with their dates, where known)."""

    is_done: bool
    needs: list[Need]

    def sentences(self) -> list[str]:
        """What it waits for, in words."""
        return [sentence_of(need) for need in self.needs]


def sentence_of(need: Need) -> str:
    """One reason in words, with its date."""
    text = NEEDS[need.kind].format(subject=need.subject)
    return f"{text} Until {need.until:%-d %B %Y, %H:%M} UTC." if need.until else text


async def export_person(pool: Pool, *, email: str) -> dict[str, Any]:
    """Everything held about an address, of one moment."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        person = await store.find_person(conn, email)
        return {"email": email, "exported_at": await busload_now(conn), **await store.read_everything(conn, person, email)}


async def export_pledge(pool: Pool, *, token: str) -> dict[str, Any]:
    """Everything held about the pledge a link opens; its owner's other pledges are not this link's business. NotFound."""
    async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        pledge = await pledges.find_by_token(conn, token_hash(token))
        if pledge is None:
            raise NotFound("There is no such pledge. Use the link of your mail.")
        only = Person(account_ids=[], pledge_ids=[pledge.id], driver_ids=[])
        told = await store.read_everything(conn, only, "")
        return {"email": pledge.email, "exported_at": await busload_now(conn), "pledges": told["pledges"]}


def token_of(secret: str, erasure_id: UUID) -> str:
    """What a mail's link carries: the wish and a proof that we wrote it."""
    return f"{erasure_id}.{derived_token(secret, PURPOSE, erasure_id)}"


def wish_of(secret: str, token: str) -> UUID:
    """The wish of a link's token; NotFound for a forged one."""
    named, _, proof = token.partition(".")
    try:
        erasure_id = UUID(named)
    except ValueError:
        raise NotFound("This link is not complete. Open the one in the mail.") from None
    if not hmac.compare_digest(proof.encode(), derived_token(secret, PURPOSE, erasure_id).encode()):
        raise NotFound("This link is not complete. Open the one in the mail.")
    return erasure_id


async def ask_to_erase(pool: Pool, *, email: str, asked_by: str) -> None:
    """Mails a link that confirms the wish, to the address it is about: nobody erases anybody else."""
    async with transaction(pool) as conn:
        await act_as(conn, asked_by, "asked to be forgotten")
        wish = await store.add_erasure(conn, email=email, asked_by=asked_by, state=ErasureState.ASKED, link_lifetime=LINK_LIFETIME)
        await queue_mail(
            conn, dedupe_key=f"erase:{wish.id}", recipient=email, template="erase_confirm", locale="en",
            data={"erasure_id": str(wish.id), "hours": int(LINK_LIFETIME.total_seconds() // 3600)}, subject_id=None,
        )  # fmt: skip


async def ask_to_erase_by_link(pool: Pool, *, token: str) -> None:
    """The same for the owner of the pledge that a link opens; the mail goes to the pledge's address."""
    async with transaction(pool) as conn:
        pledge = await pledges.find_by_token(conn, token_hash(token))
    if pledge is None:
        raise NotFound("There is no such pledge. Use the link of your mail.")
    await ask_to_erase(pool, email=pledge.email, asked_by="pledge")


async def look_at_wish(pool: Pool, *, token: str, secret: str) -> Standing:
    """How a wish stands; looking changes nothing. Gone when its link was not used in time."""
    async with transaction(pool) as conn:
        wish = require_fresh(await store.lock_erasure(conn, wish_of(secret, token)))
        person = await store.find_person(conn, wish.email)
        return Standing(is_done=wish.state is ErasureState.DONE, needs=await store.find_needs(conn, person, after_event=AFTER_EVENT))


def require_fresh(wish: Erasure | None) -> Erasure:
    """The wish, while its link counts."""
    if wish is None or (wish.state is ErasureState.ASKED and not wish.is_fresh):
        raise Gone("This link is older than a day. Ask for a new one.")
    return wish


async def confirm_erasure(pool: Pool, *, token: str, secret: str) -> Standing:
    """Confirms a wish, and does it at once when nothing needs the data; else the hourly sweep does it when nothing does any more."""
    async with transaction(pool) as conn:
        await act_as(conn, "person", "confirmed by the mailed link")
        wish = require_fresh(await store.lock_erasure(conn, wish_of(secret, token)))
        await store.set_erasure_confirmed(conn, wish.id)
        return Standing(is_done=True, needs=[]) if wish.state is ErasureState.DONE else await erase_within(conn, wish)


async def erase_by_hand(pool: Pool, *, email: str) -> Standing:
    """An operator of this service erases somebody who asked in another way; NotFound when nothing is held."""
    async with transaction(pool) as conn:
        await act_as(conn, "organiser:cli", "erased on request")
        person = await store.find_person(conn, email)
        if not (person.account_ids or person.pledge_ids or person.driver_ids):
            raise NotFound("Nothing is held about this address.")
        wish = await store.add_erasure(conn, email=email, asked_by="organiser", state=ErasureState.CONFIRMED, link_lifetime=LINK_LIFETIME)
        return await erase_within(conn, wish)


async def erase_due(pool: Pool) -> int:
    """Erases whoever waited for something that is over; how many."""
    async with transaction(pool) as conn:
        waiting = await store.list_confirmed(conn)
    done = 0
    for erasure_id in waiting:
        async with transaction(pool) as conn:
            await act_as(conn, "timer", "nothing needs the data any more")
            wish = await store.lock_erasure(conn, erasure_id)
            if wish is not None and wish.state is ErasureState.CONFIRMED:
                done += (await erase_within(conn, wish)).is_done
    return done


async def erase_within(conn: Connection, wish: Erasure) -> Standing:
    """Takes a person out of every table, or says what still needs the data. Ids, amounts and states stay."""
    person = await store.find_person(conn, wish.email)
    await store.lock_pledges_of(conn, person)
    needs = await store.find_needs(conn, person, after_event=AFTER_EVENT)
    if needs:
        return Standing(is_done=False, needs=needs)
    await enqueue_for(conn, "forget_customer", await store.list_customers(conn, person))
    await store.store_for_law(conn, person, keep_until=await busload_now(conn) + KEPT_FOR_LAW)
    await store.end_wishes(conn, person, wish.email)
    await store.erase_mails(conn, person, wish.email)
    await store.erase_pledges(conn, person)
    await store.erase_wishes(conn, wish.email)
    await store.erase_accounts(conn, person, wish.email)
    await store.set_erasures_done(conn, wish.email)
    await queue_mail(
        conn, dedupe_key=f"erased:{wish.id}", recipient=wish.email, template="erased", locale="en", data={}, subject_id=None
    )  # the retention sweep forgets its address once it has gone
    log.info("person.erased", erasure_id=str(wish.id), pledges=len(person.pledge_ids), accounts=len(person.account_ids))
    return Standing(is_done=True, needs=[])


async def forget_customer(pool: Pool, pledge_id: UUID, *, gateway: PaymentGateway) -> None:
    """Deletes an erased rider's customer at Stripe, cards and address with it; one already gone is no error."""
    async with pool.acquire() as conn:
        customer = await store.find_customer(conn, pledge_id)
    if customer is not None:
        try:
            await gateway.delete_customer(customer)
        except NoSuchCustomer:
            log.info("customer.gone", pledge_id=str(pledge_id))
