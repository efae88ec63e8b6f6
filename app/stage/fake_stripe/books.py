"""The fake's memory: every record by kind and id, secondary indexes, and a journal on disk that survives kill -9.

Single-threaded: a request runs without awaiting between its first write and `commit`, so a commit is one whole request and
its journal line either is there or is not. A last line cut short by a crash was never answered and is ignored on load.
"""

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from app.stage.fake_stripe import model
from app.stage.fake_stripe.model import Record

R = TypeVar("R", bound=Record)

KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        model.Customer,
        model.PaymentMethod,
        model.SetupIntent,
        model.Session,
        model.PaymentIntent,
        model.Charge,
        model.Refund,
        model.Dispute,
        model.BalanceTransaction,
        model.Account,
        model.Transfer,
        model.Reversal,
        model.Event,
        model.Delivery,
        model.StoredReply,
        model.ClockOffset,
        model.Due,
    )
}
INDEXED: dict[type[Any], tuple[str, ...]] = {
    model.PaymentMethod: ("customer",),
    model.SetupIntent: ("customer", "payment_method"),
    model.Session: ("customer", "setup_intent"),
    model.PaymentIntent: ("customer",),
    model.Charge: ("customer", "payment_intent"),
    model.Refund: ("payment_intent", "charge"),
    model.Dispute: ("payment_intent", "charge"),
    model.BalanceTransaction: ("source",),
    model.Transfer: ("destination", "transfer_group"),
    model.Reversal: ("transfer",),
}


class Shelf:
    """All records of one kind in the order they were first put, with its indexes."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self.rows: dict[str, Any] = {}
        self.order: list[str] = []
        self.position: dict[str, int] = {}
        self.indexes: dict[str, dict[str, list[str]]] = {field: {} for field in fields}

    def put(self, record: Any) -> None:
        old = self.rows.get(record.id)
        if old is None:
            self.position[record.id] = len(self.order)
            self.order.append(record.id)
        self.rows[record.id] = record
        for field, index in self.indexes.items():
            before, after = getattr(old, field, None), getattr(record, field)
            if before == after:
                continue
            if before is not None:
                index[before].remove(record.id)
            if after is not None:
                index.setdefault(after, []).append(record.id)


class Books:
    """Records in memory, journaled to `path` (None keeps them in memory only)."""

    def __init__(self, path: Path | None) -> None:
        self._shelves = {kind: Shelf(INDEXED.get(kind, ())) for kind in KINDS.values()}
        self._dirty: dict[tuple[str, str], Any] = {}
        self._file: int | None = None
        if path is not None:
            self._load(path)
            self._rewrite(path)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND)

    def get(self, kind: type[R], record_id: str) -> R | None:
        return cast("R | None", self._shelves[kind].rows.get(record_id))

    def put(self, record: R) -> R:
        """Write a record; it is on disk after the next `commit`."""
        self._shelves[type(record)].put(record)
        self._dirty[(type(record).__name__, record.id)] = record
        return record

    def drop(self, kind: type[Any], record_id: str) -> None:
        """Forget a record that nothing indexes or lists (stored replies). Not journaled: it is forgotten again after a restart."""
        shelf = self._shelves[kind]
        shelf.rows.pop(record_id, None)
        self._dirty.pop((kind.__name__, record_id), None)

    def newest_first(self, kind: type[R], **wanted: str | None) -> Iterator[R]:
        """All records whose indexed fields equal those wanted (None: any), newest first."""
        shelf = self._shelves[kind]
        filters = {field: value for field, value in wanted.items() if value is not None}
        ids = shelf.order
        for field, value in filters.items():
            ids = shelf.indexes[field].get(value, [])
            break
        for record_id in reversed(ids):
            record = shelf.rows.get(record_id)
            if record is not None and all(getattr(record, field) == value for field, value in filters.items()):
                yield cast("R", record)

    def page(
        self, kind: type[R], keep: Callable[[R], bool], *, limit: int, after: str | None, before: str | None, wanted: dict[str, str | None]
    ) -> tuple[list[R], bool]:
        """Up to `limit` kept records, newest first, and whether there are more.

        They are those older than `after`, or those next newer than `before`; the caller has checked the cursor.
        `wanted` filters by indexed fields.
        """
        shelf = self._shelves[kind]
        ids = shelf.order
        for field, value in wanted.items():
            if value is not None:
                ids = [one for one in shelf.indexes[field].get(value, []) if one in shelf.rows]
                break
        steps = _steps(shelf, ids, after=after, before=before)
        rows: list[R] = []
        for step in steps:
            row = shelf.rows.get(ids[step])
            if row is None or not keep(row) or any(v is not None and getattr(row, f) != v for f, v in wanted.items()):
                continue
            if len(rows) == limit:
                return (rows[::-1] if before else rows), True
            rows.append(row)
        return (rows[::-1] if before else rows), False

    def count(self, kind: type[Any]) -> int:
        return len(self._shelves[kind].rows)

    def commit(self) -> None:
        """Append what was put since the last commit as one journal line."""
        if self._dirty and self._file is not None:
            line = [(kind, record) for (kind, _), record in self._dirty.items()]
            _write_all(self._file, msgspec.json.encode(line) + b"\n")
        self._dirty.clear()

    def close(self) -> None:
        self.commit()
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _load(self, path: Path) -> None:
        if not path.exists():
            return
        decoders = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}
        lines = msgspec.json.Decoder(list[tuple[str, msgspec.Raw]])
        with path.open("rb") as journal:
            for line in journal:
                if line.endswith(b"\n"):
                    for name, raw in lines.decode(line):
                        self._shelves[KINDS[name]].put(decoders[name].decode(raw))

    def _rewrite(self, path: Path) -> None:
        """Start from a compact journal: one line per record, swapped in atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        with fresh.open("wb") as journal:
            for name, kind in KINDS.items():
                for record in self._shelves[kind].rows.values():
                    journal.write(msgspec.json.encode([(name, record)]) + b"\n")
            journal.flush()
            os.fsync(journal.fileno())
        fresh.replace(path)


def _steps(shelf: Shelf, ids: list[str], *, after: str | None, before: str | None) -> range:
    """Places in `ids` (oldest first) in the order a page walks them."""

    def place(one: str) -> int:
        return shelf.position[one]

    if before is not None:
        return range(bisect_right(ids, place(before), key=place), len(ids))
    newest = len(ids) if after is None else bisect_left(ids, place(after), key=place)
    return range(newest - 1, -1, -1)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
