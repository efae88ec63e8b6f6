"""Coming back from Stripe's page: the account is read anew, so that its state is right on the page that follows."""

from uuid import UUID

from app.core.database import Pool
from app.core.log import logger
from app.domain.payments.gateway import GatewayError, PaymentGateway
from app.flows.onboard_payee import refresh_payee

log = logger(__name__)


async def read_back(pool: Pool, payee_id: UUID, *, gateway: PaymentGateway) -> None:
    """What Stripe says of an account now; silence is no fault of the page, the webhook and the poller come to it."""
    try:
        await refresh_payee(pool, payee_id, gateway=gateway, actor="payee")
    except GatewayError as error:
        log.warning("payee.unread", payee_id=str(payee_id), error=type(error).__name__)
