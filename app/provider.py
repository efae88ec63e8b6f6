"""How web, worker and command line reach the payment provider: at which address, at which pace. None needs to import another for it."""

from app.core.clock import Mark, read_mark
from app.core.database import Pool
from app.domain.payments.budget import Limits, SharedPace
from app.settings import Settings, SettingsFaulty


async def stripe_base_for(pool: Pool, settings: Settings) -> str | None:
    """A fake Stripe's address, only where the database is marked demo or test; SettingsFaulty elsewhere."""
    if settings.stripe_base is None:
        return None
    async with pool.acquire() as conn:
        mark = await read_mark(conn)
    if mark is Mark.LIVE:
        raise SettingsFaulty("Busload cannot start:\n  BUSLOAD_STRIPE_BASE is set, but this database is live. Unset it.")
    return settings.stripe_base


def pace_for(pool: Pool, settings: Settings, *, riders_wait: bool) -> SharedPace | None:
    """The pace that all processes keep together; None on a stage that asks for none."""
    if settings.stripe_account_per_s is None or settings.stripe_endpoint_per_s is None:
        return None
    limits = Limits(account_per_s=settings.stripe_account_per_s, endpoint_per_s=settings.stripe_endpoint_per_s)
    return SharedPace(pool, limits, riders_wait=riders_wait)
