"""From a record to Stripe's JSON, with `expand`."""

from typing import Any, assert_never

from app.stage.fake_stripe import model, render_cards, render_connect, render_money
from app.stage.fake_stripe.books import Books
from app.stage.fake_stripe.clock import Clock
from app.stage.fake_stripe.model import Resource
from app.stage.fake_stripe.refusals import Refusal

PREFIXES: dict[str, type[Any]] = {
    "cus_": model.Customer,
    "pm_": model.PaymentMethod,
    "seti_": model.SetupIntent,
    "cs_": model.Session,
    "pi_": model.PaymentIntent,
    "ch_": model.Charge,
    "re_": model.Refund,
    "du_": model.Dispute,
    "txn_": model.BalanceTransaction,
    "acct_": model.Account,
    "tr_": model.Transfer,
    "trr_": model.Reversal,
}
DEEPEST = 4
EXPANDABLE = {
    "customer",
    "payment_method",
    "setup_intent",
    "latest_charge",
    "balance_transaction",
    "charge",
    "payment_intent",
    "source",
    "destination",
    "transfer",
    "failure_balance_transaction",
    "source_transaction",
}


class Renderer:
    """Shows records as the API does. `public_url` is where the hosted pages are."""

    def __init__(self, books: Books, clock: Clock, public_url: str) -> None:
        self.books = books
        self.clock = clock
        self.public_url = public_url

    def by_id(self, object_id: str) -> Resource | None:
        kind = PREFIXES.get(object_id[: object_id.find("_") + 1])
        return None if kind is None else self.books.get(kind, object_id)

    def show(self, row: Resource) -> dict[str, Any]:  # noqa: PLR0911 - one line per resource
        """The record's JSON, nothing expanded."""
        match row:
            case model.Customer():
                return render_cards.customer(row)
            case model.PaymentMethod():
                return render_cards.payment_method(row)
            case model.SetupIntent():
                return render_cards.setup_intent(row, self.public_url, failed_method=self._failed(row.last_error))
            case model.Session():
                return render_cards.session(row, self.public_url)
            case model.Account():
                return render_connect.account(row)
            case model.Transfer():
                kept = self.books.newest_first(model.Reversal, transfer=row.id)
                return render_connect.transfer(row, reversals=[self.show(one) for one in kept])
            case model.Reversal():
                return render_connect.reversal(row)
            case _:
                return self._money(row)

    def _money(self, row: model.PaymentIntent | model.Charge | model.Refund | model.Dispute | model.BalanceTransaction) -> dict[str, Any]:
        match row:
            case model.PaymentIntent():
                return render_money.payment_intent(row, self.public_url, failed_method=self._failed(row.last_error))
            case model.Charge():
                method = self.books.get(model.PaymentMethod, row.payment_method)
                return render_money.charge(row, self.public_url, method=method)
            case model.Refund():
                return render_money.refund(row)
            case model.Dispute():
                found = [self.books.get(model.BalanceTransaction, one) for one in row.balance_transactions]
                movements = [self.show(one) for one in found if one is not None]
                return render_money.dispute(row, movements=movements, now=self.clock.now())
            case model.BalanceTransaction():
                return render_money.balance_transaction(row, now=self.clock.now())
            case _:
                assert_never(row)

    def _failed(self, failure: model.Failure | None) -> dict[str, Any] | None:
        if failure is None or failure.payment_method is None:
            return None
        method = self.books.get(model.PaymentMethod, failure.payment_method)
        return None if method is None else self.show(method)

    def expand(self, shown: dict[str, Any], paths: list[str]) -> dict[str, Any]:
        """Replace ids by whole objects along dotted paths; `data.` reaches into each element of a list."""
        for path in paths:
            if path.count(".") >= DEEPEST:
                raise Refusal(400, "You cannot expand more than 4 levels of a property.", param="expand")
            self._expand(shown, path.split("."), path)
        return shown

    def _expand(self, node: Any, path: list[str], whole: str) -> None:
        if isinstance(node, list):
            for one in node:
                self._expand(one, path, whole)
            return
        if not path or not isinstance(node, dict):
            return
        name = path[0]
        if name not in node or (name != "data" and name not in EXPANDABLE):
            raise Refusal(400, f"This property cannot be expanded ({whole}).", param="expand")
        value = node[name]
        if isinstance(value, str):
            row = self.by_id(value)
            if row is None:
                return
            node[name] = value = self.show(row)
        self._expand(value, path[1:], whole)
