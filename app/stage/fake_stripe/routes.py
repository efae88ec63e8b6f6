"""Method and path to endpoint."""

from collections.abc import Callable
from typing import Any

import msgspec

from app.stage.fake_stripe.call import Answer, Call, ListParams, Params
from app.stage.fake_stripe.endpoints import bookkeeping, connecting, paying, saving_cards
from app.stage.fake_stripe.refusals import Refusal

Act = Callable[[Call, Any], Answer]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is method and path pattern as in the API reference, e.g. `POST /v1/payment_intents/{intent}/confirm`."""

    name: str
    takes: type[Params]
    act: Act

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.name.partition(" ")[2].strip("/").split("/"))


ENDPOINTS: tuple[tuple[str, type[Params], Act], ...] = (
    ("POST /v1/customers", saving_cards.NewCustomer, saving_cards.create_customer),
    ("GET /v1/customers", saving_cards.CustomerList, saving_cards.list_customers),
    ("GET /v1/customers/{customer}", Params, saving_cards.fetch_customer),
    ("DELETE /v1/customers/{customer}", Params, saving_cards.delete_customer),
    ("POST /v1/checkout/sessions", saving_cards.NewSession, saving_cards.create_session),
    ("GET /v1/checkout/sessions", saving_cards.SessionList, saving_cards.list_sessions),
    ("GET /v1/checkout/sessions/{session}", Params, saving_cards.fetch_session),
    ("POST /v1/checkout/sessions/{session}/expire", Params, saving_cards.expire_session),
    ("GET /v1/setup_intents", saving_cards.SetupIntentList, saving_cards.list_setup_intents),
    ("GET /v1/setup_intents/{intent}", Params, saving_cards.fetch_setup_intent),
    ("GET /v1/payment_methods", saving_cards.PaymentMethodList, saving_cards.list_payment_methods),
    ("GET /v1/payment_methods/{payment_method}", Params, saving_cards.fetch_payment_method),
    ("POST /v1/payment_methods/{payment_method}/detach", Params, saving_cards.detach_payment_method),
    ("POST /v1/payment_intents", paying.NewPaymentIntent, paying.create_payment_intent),
    ("GET /v1/payment_intents", paying.PaymentIntentList, paying.list_payment_intents),
    ("GET /v1/payment_intents/{intent}", Params, paying.fetch_payment_intent),
    ("POST /v1/payment_intents/{intent}/confirm", paying.Confirm, paying.confirm_payment_intent),
    ("POST /v1/payment_intents/{intent}/cancel", paying.Cancel, paying.cancel_payment_intent),
    ("GET /v1/charges", paying.ChargeList, paying.list_charges),
    ("GET /v1/charges/{charge}", Params, paying.fetch_charge),
    ("POST /v1/refunds", paying.NewRefund, paying.create_refund),
    ("GET /v1/refunds", paying.RefundList, paying.list_refunds),
    ("GET /v1/refunds/{refund}", Params, paying.fetch_refund),
    ("GET /v1/disputes", paying.DisputeList, paying.list_disputes),
    ("GET /v1/disputes/{dispute}", Params, paying.fetch_dispute),
    ("POST /v1/disputes/{dispute}", paying.DisputeUpdate, paying.update_dispute),
    ("POST /v1/disputes/{dispute}/close", Params, paying.close_dispute),
    ("GET /v1/events", bookkeeping.EventList, bookkeeping.list_events),
    ("GET /v1/events/{id}", Params, bookkeeping.fetch_event),
    ("GET /v1/balance", Params, bookkeeping.fetch_balance),
    ("GET /v1/balance_transactions", bookkeeping.MovementList, bookkeeping.list_movements),
    ("GET /v1/balance_transactions/{id}", Params, bookkeeping.fetch_movement),
    ("POST /v1/accounts", connecting.NewAccount, connecting.create_account),
    ("GET /v1/accounts", ListParams, connecting.list_accounts),
    ("GET /v1/accounts/{account}", Params, connecting.fetch_account),
    ("POST /v1/account_links", connecting.NewAccountLink, connecting.create_account_link),
    ("POST /v1/transfers", connecting.NewTransfer, connecting.create_transfer),
    ("GET /v1/transfers", connecting.TransferList, connecting.list_transfers),
    ("GET /v1/transfers/{transfer}", Params, connecting.fetch_transfer),
    ("POST /v1/transfers/{transfer}/reversals", connecting.NewReversal, connecting.create_reversal),
    ("GET /v1/transfers/{transfer}/reversals", ListParams, connecting.list_reversals),
    ("GET /v1/transfers/{transfer}/reversals/{id}", Params, connecting.fetch_reversal),
)


class Routes:
    """Finds the endpoint of a request."""

    def __init__(self) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[tuple[str, ...], Endpoint]]] = {}
        for name, takes, act in ENDPOINTS:
            one = Endpoint(name=name, takes=takes, act=act)
            self._by_shape.setdefault((one.method, len(one.segments)), []).append((one.segments, one))

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]]:
        """The endpoint and the ids in its path. Raises Refusal 404."""
        parts = path.strip("/").split("/")
        for segments, endpoint in self._by_shape.get((method, len(parts)), []):
            pairs = list(zip(segments, parts, strict=True))
            if all(segment == part or segment.startswith("{") for segment, part in pairs):
                return endpoint, {segment[1:-1]: part for segment, part in pairs if segment.startswith("{")}
        raise Refusal(404, f"Unrecognized request URL ({method}: {path}).")
