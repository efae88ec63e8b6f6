"""What is forgotten by itself, and when: one sweep, every hour, by any worker. The table is in docs/security.md."""

from datetime import timedelta

from app.core.audit import act_as
from app.core.clock import busload_now
from app.core.database import Pool, transaction
from app.core.log import logger
from app.core.rate_counters import forget_counters
from app.flows import retention_store as store
from app.flows.personal_data import erase_due
from app.flows.record_position import purge_positions

log = logger(__name__)
SPENT = timedelta(days=1)  # links and challenges nobody can use any more, counters whose window is over
ENDED_SESSIONS = timedelta(days=30)
NETWORKS = timedelta(days=30)  # where a pledge came from: for the velocity hold, and its review
LOGS = timedelta(days=90)  # webhooks delivered, Stripe's news worked on
MAILS = timedelta(days=180)
NEVER_CHARGED = timedelta(days=180)  # after the event


async def keep_retention(pool: Pool) -> dict[str, int]:
    """Forgets what is due, kind by kind, each in a transaction of its own; how many rows by kind."""
    done = {"positions": await purge_positions(pool), "persons": await erase_due(pool)}
    async with transaction(pool) as conn:
        now = await busload_now(conn)
        done["sign_in_links"] = await store.forget_links(conn, before=now - SPENT)
        done["challenges"] = await store.forget_challenges(conn, before=now - SPENT)
        done["sessions"] = await store.forget_sessions(conn, before=now - ENDED_SESSIONS)
        done["counters"] = await forget_counters(conn, before=now - SPENT)
    async with transaction(pool) as conn:
        done["deliveries"] = await store.forget_deliveries(conn, before=now - LOGS)
        done["stripe_events"] = await store.forget_stripe_events(conn, before=now - LOGS)
        done["mails"] = await store.forget_mails(conn, before=now - MAILS)
    async with transaction(pool) as conn:
        await act_as(conn, "timer", "kept long enough")
        done["networks"] = await store.forget_networks(conn, before=now - NETWORKS)
        done["pledges"] = await store.forget_uncharged(conn, before=now - NEVER_CHARGED)
        done["wishes"] = await store.lapse_wishes(conn)
        done["law"] = await store.forget_for_law(conn)
    told = {kind: number for kind, number in done.items() if number}
    if told:
        log.info("retention.swept", **told)
    return done
