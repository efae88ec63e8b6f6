"""Connected accounts, transfers and reversals."""

# ruff: noqa: RUF012 - msgspec copies empty defaults for each instance

from typing import Any, Literal
from urllib.parse import urlencode

import msgspec

from app.stage.fake_stripe import paying_out
from app.stage.fake_stripe.call import Call, ListParams, Page, Params, checked_metadata
from app.stage.fake_stripe.model import Account, Charge, Reversal, Transfer
from app.stage.fake_stripe.refusals import Refusal, missing

CURRENCIES = {"US": "usd", "GB": "gbp", "CH": "chf", "CA": "cad", "PL": "pln", "SE": "sek", "DK": "dkk", "NO": "nok"}
LINK_LASTS_S = 300


class Requested(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    requested: bool = False


class NewAccount(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["express", "standard", "custom"] = "standard"
    country: str = "US"
    email: str | None = None
    business_type: Literal["company", "government_entity", "individual", "non_profit"] | None = None
    default_currency: str | None = None
    capabilities: dict[Literal["transfers", "card_payments"], Requested] = {}
    metadata: dict[str, str] = {}


def create_account(call: Call, params: NewAccount) -> Account:
    world = call.world
    if len(params.country) != 2 or not params.country.isalpha():  # noqa: PLR2004 - ISO 3166-1 alpha-2
        raise Refusal(400, f"Country '{params.country}' is unknown.", param="country")
    row = Account(
        id=world.new_id("acct", 16),
        created=world.clock.now(),
        type=params.type,
        country=params.country.upper(),
        email=params.email,
        business_type=params.business_type,
        default_currency=params.default_currency or CURRENCIES.get(params.country.upper(), "eur"),
        capabilities=tuple(name for name, wanted in params.capabilities.items() if wanted.requested),
        enabled=world.terms.connect_enabled_at_once,
        metadata=checked_metadata(params.metadata),
    )
    world.books.put(row)
    world.announce("account.updated", row)
    return row


def fetch_account(call: Call, _params: Params) -> Account:
    return call.named(Account, "account", "account")


def list_accounts(call: Call, params: ListParams) -> Page:
    return call.page(Account, params)


class NewAccountLink(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    account: str
    type: Literal["account_onboarding", "account_update"]
    refresh_url: str
    return_url: str


def create_account_link(call: Call, params: NewAccountLink) -> dict[str, Any]:
    """Where the operator is onboarded: a page of the fake that enables the account and returns."""
    world = call.world
    row = world.need(Account, params.account, "account", param="account")
    now = world.clock.now()
    return {
        "object": "account_link",
        "created": now,
        "expires_at": now + LINK_LASTS_S,
        "url": f"{world.terms.public_url}/c/onboard/{row.id}?{urlencode({'return_url': params.return_url})}",
    }


class NewTransfer(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: int
    currency: str
    destination: str
    description: str | None = None
    source_transaction: str | None = None
    transfer_group: str | None = None
    metadata: dict[str, str] = {}


def create_transfer(call: Call, params: NewTransfer) -> Transfer:
    world = call.world
    source = None
    if params.source_transaction is not None:
        source = world.need(Charge, params.source_transaction, "charge", param="source_transaction")
    return paying_out.transfer(
        world,
        world.need(Account, params.destination, "destination", param="destination"),
        amount=params.amount,
        currency=params.currency.lower(),
        description=params.description,
        source=source,
        group=params.transfer_group,
        metadata=checked_metadata(params.metadata),
    )


def fetch_transfer(call: Call, _params: Params) -> Transfer:
    return call.named(Transfer, "transfer", "transfer")


class TransferList(ListParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    destination: str | None = None
    transfer_group: str | None = None


def list_transfers(call: Call, params: TransferList) -> Page:
    return call.page(Transfer, params, destination=params.destination, transfer_group=params.transfer_group)


class NewReversal(Params, frozen=True, kw_only=True, forbid_unknown_fields=True):
    amount: int | None = None
    description: str | None = None
    metadata: dict[str, str] = {}


def create_reversal(call: Call, params: NewReversal) -> Reversal:
    row = call.named(Transfer, "transfer", "transfer")
    return paying_out.reverse(call.world, row, amount=params.amount, metadata=checked_metadata(params.metadata))


def list_reversals(call: Call, params: ListParams) -> Page:
    return call.page(Reversal, params, transfer=call.named(Transfer, "transfer", "transfer").id)


def fetch_reversal(call: Call, _params: Params) -> Reversal:
    row = call.named(Reversal, "transfer_reversal", "id")
    if row.transfer != call.path["transfer"]:
        raise missing("transfer_reversal", row.id, "id", in_path=True)
    return row
