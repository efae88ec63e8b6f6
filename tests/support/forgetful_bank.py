"""A bank as Stripe may be at its worst: idempotency keys are forgotten, and what was just made is in no list yet."""

import asyncio
from typing import Any

from app.domain.payments.gateway import RefundState, TransferState

PATIENCE_S = 30.0


class ForgetfulBank:
    """The part of PaymentGateway that sends money away. Whoever asks twice pays twice, so that only our own rows decide.

    `door`: where those who ask wait for each other before anything is made; without it nobody waits.
    """

    def __init__(self, door: asyncio.Barrier | None = None) -> None:
        self._door = door
        self.refunds: list[RefundState] = []
        self.transfers: list[TransferState] = []

    async def _meet(self) -> None:
        if self._door is not None:
            async with asyncio.timeout(PATIENCE_S):
                await self._door.wait()

    async def find_refunds(self, *, intent_ref: str, refund_id: str) -> list[RefundState]:
        assert intent_ref
        assert refund_id
        return []

    async def create_refund(self, *, refund_id: str, amount_minor: int, **_: Any) -> RefundState:
        await self._meet()
        made = RefundState(
            ref=f"re_{len(self.refunds)}_{refund_id}", status="succeeded", amount_minor=amount_minor, failure_reason=None,
            refund_id=refund_id,
        )  # fmt: skip
        self.refunds.append(made)
        return made

    async def find_transfers(self, *, account_ref: str, payout_id: str) -> list[TransferState]:
        assert account_ref
        assert payout_id
        return []

    async def create_transfer(self, *, payout_id: str, account_ref: str, amount_minor: int, currency: str, **_: Any) -> TransferState:
        await self._meet()
        made = TransferState(
            ref=f"tr_{len(self.transfers)}_{payout_id}", amount_minor=amount_minor, reversed_minor=0, currency=currency,
            account_ref=account_ref, payout_id=payout_id,
        )  # fmt: skip
        self.transfers.append(made)
        return made
