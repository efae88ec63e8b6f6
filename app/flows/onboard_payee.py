"""An operator or partner tells Stripe where its money goes; the account is read back by webhook, by poller and on return."""

from typing import Annotated
from uuid import UUID

import msgspec

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.errors import Invalid, NotFound, Unavailable
from app.core.log import logger
from app.core.timers import set_timers
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.domain.payments.payouts import service, store
from app.domain.payments.payouts.model import Payee, PayeeState
from app.flows.payee_contact import Contact, find_contact

log = logger(__name__)
COUNTRY_LENGTH = 2
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2. Operators: leave it out.")]


async def open_onboarding(
    pool: Pool, payee_id: UUID, *, country: str | None, gateway: PaymentGateway, return_url: str, refresh_url: str, actor: str
) -> str:
    """The address of Stripe's page; the account is opened with the first visit. `country` is a partner's, an operator's is known.

    Raises NotFound, Invalid for a country that is none, Unavailable when the payment provider does not answer.
    """
    async with transaction(pool) as conn:
        contact = await find_contact(conn, payee_id)
        payee = await store.get_payee(conn, payee_id)
    if contact is None:
        raise NotFound("There is no such company, or you do not act for it.", code="unknown_payee")
    try:
        account_ref = payee.account_ref if payee is not None else await _open_account(pool, contact, country, gateway=gateway, actor=actor)
        return await gateway.create_onboarding_link(account_ref, return_url=return_url, refresh_url=refresh_url)
    except GatewayError as error:
        log.warning("onboarding.unavailable", payee_id=str(payee_id), error=type(error).__name__)
        raise Unavailable("The page cannot be opened right now. Try again in a minute.", retry_after_s=30) from error


async def _open_account(pool: Pool, contact: Contact, country: str | None, *, gateway: PaymentGateway, actor: str) -> str:
    """One account for a payee: its key is the payee's id, so the next visit repeats a lost answer. A lost account holds no money."""
    chosen = contact.country or (country or "").upper()
    if len(chosen) != COUNTRY_LENGTH or not (chosen.isascii() and chosen.isalpha()):
        raise Invalid.field("country", "Say in which country you are, by its two letters.", code="country_needed")
    account = await gateway.create_connect_account(
        operator_id=str(contact.id), email=contact.email, country=chosen, idempotency_key=f"payee-{contact.id}"
    )
    async with transaction(pool) as conn:
        await act_as(conn, actor, "onboarding opened")
        await store.add_payee(conn, payee_id=contact.id, kind=contact.kind, account_ref=account.ref)
        kept = await store.get_payee(conn, contact.id)
    assert kept is not None, "it was stored just now"
    return kept.account_ref


async def refresh_payee(pool: Pool, payee_id: UUID, *, gateway: PaymentGateway, actor: str = "worker") -> Payee | None:
    """Reads an account back; what waited for it goes out at once. None when the payee has not started. Raises GatewayError."""
    async with transaction(pool) as conn:
        payee = await store.get_payee(conn, payee_id)
    if payee is None:
        return None
    account = await gateway.fetch_connect_account(payee.account_ref)
    state = PayeeState.READY if account.transfers_enabled else PayeeState.INFORMATION_NEEDED
    async with transaction(pool) as conn:
        await act_as(conn, actor, "the account as Stripe holds it")
        if await store.set_payee_state(conn, payee_id, state) and state is PayeeState.READY:
            waiting = await store.list_waiting_payouts(conn, payee_id)
            await set_timers(conn, service.PAYOUT_TIMER, waiting, await busload_now(conn))
        return await store.get_payee(conn, payee_id)


async def learn_of_account(pool: Pool, account_ref: str, *, gateway: PaymentGateway) -> None:
    """Stripe says that an account has changed; one that is none of ours is no news."""
    async with transaction(pool) as conn:
        payee_id = await store.find_payee_by_account(conn, account_ref)
    if payee_id is not None:
        await refresh_payee(pool, payee_id, gateway=gateway, actor="stripe")
