"""What the driver's routes read, in one place."""

from typing import Any

from litestar import Request

from app.core.clock import busload_now
from app.core.database import Connection, Pool, transaction
from app.domain.manifests import day_store, service, store
from app.domain.manifests.model import DriverLink
from app.domain.manifests.passes import PassKey
from app.domain.manifests.service import DriverLinkUnknown
from app.surfaces.driver.views import DutySheet, view_sheet
from app.web.actors import bearer_token


async def open_link(conn: Connection, request: Request[Any, Any, Any]) -> DriverLink:
    """The duty that the request's bearer token opens. Raises DriverLinkUnknown, DriverLinkRevoked, DriverLinkExpired."""
    token = bearer_token(request)
    if token is None:
        raise DriverLinkUnknown("Send the token of your driver's link as `Authorization: Bearer <token>`.")
    return await service.open_driver_link(conn, token)


async def read_sheet(pool: Pool, link: DriverLink, *, key: PassKey) -> DutySheet:
    """Everything the phone keeps, of one moment. Raises NoManifest."""
    async with transaction(pool) as conn:
        manifest = await service.require_manifest(conn, link.duty_id)
        state = await service.require_state(conn, link.duty_id)
        return view_sheet(
            link,
            manifest,
            state,
            check_ins=await day_store.read_duty_check_ins(conn, link.duty_id),
            incidents=await day_store.read_duty_incidents(conn, link.duty_id),
            passes=await store.read_duty_passes(conn, link.duty_id),
            keys=await service.accepted_keys(conn, key),
            now=await busload_now(conn),
        )
