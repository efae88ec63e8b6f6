"""Making somebody staff."""

from app.core.database import Pool, transaction
from app.core.errors import Invalid
from app.domain.accounts.model import Role, looks_like_email
from app.domain.accounts.store import find_or_add_account, grant_role


async def grant_organiser(pool: Pool, email: str) -> None:
    """Makes the account of an address an organiser, adding it when it is new. Again is no error."""
    if not looks_like_email(email):
        raise Invalid.field("email", f"{email} is no complete e-mail address; it should look like name@example.org.", code="bad_email")
    async with transaction(pool) as conn:
        account = await find_or_add_account(conn, email.strip())
        await grant_role(conn, account.id, Role.ORGANISER)
