"""The demo's doors: sign in as somebody without a mail. They exist only where the database is marked demo or test."""

from typing import Literal

from app.core.clock import Mark, read_mark
from app.core.database import Connection, Pool, transaction
from app.core.errors import NotFound
from app.domain.accounts import store as accounts
from app.domain.accounts.model import Account, Role
from app.domain.fleet import store as fleet
from app.domain.partners import store as partners
from app.flows.sign_in import Session, open_session_within

DemoRole = Literal["rider", "organiser", "operator", "partner"]
HOME = {"rider": "/", "organiser": "/organiser", "operator": "/operator", "partner": "/partner"}


async def open_demo_door(pool: Pool, *, role: DemoRole, code: str | None) -> Session:
    """A session as a rider, an organiser, or the staff of an operator or partner (by public code, or the first one).

    The mark is read from the database each time: NotFound on a live one, as if there were no such address.
    """
    async with transaction(pool) as conn:
        if await read_mark(conn) is Mark.LIVE:
            raise NotFound("There is nothing here.")
        account = await person_behind(conn, role, code)
        return await open_session_within(conn, account.id, next_path=HOME[role], opened_with="door")


async def person_behind(conn: Connection, role: DemoRole, code: str | None) -> Account:
    """The demo's person with a role, made on first need."""
    match role:
        case "rider":
            return await play(conn, "rider", "Demo rider")
        case "organiser":
            account = await play(conn, "organiser", "Demo organiser")
            await accounts.grant_role(conn, account.id, Role.ORGANISER)
            return account
        case "operator":
            operator = await fleet.find_operator(conn, code)
            if operator is None:
                raise NotFound("There is no operator with this code.", code="unknown_operator")
            account = await play(conn, f"operator-{operator.public_code}", f"Demo dispatcher, {operator.name}")
            await accounts.grant_role(conn, account.id, Role.OPERATOR, operator_id=operator.id)
            return account
        case "partner":
            partner = await partners.find_partner(conn, code)
            if partner is None:
                raise NotFound("There is no partner with this code.", code="unknown_partner")
            account = await play(conn, f"partner-{partner.public_code}", f"Demo team, {partner.name}")
            await accounts.grant_role(conn, account.id, Role.PARTNER, partner_id=partner.id)
            return account


async def play(conn: Connection, part: str, name: str) -> Account:
    """An account of the demo's own, at an address that cannot exist (RFC 6761)."""
    account = await accounts.find_or_add_account(conn, f"{part.lower()}@demo.invalid")
    await accounts.name_account(conn, account.id, name)
    return account
