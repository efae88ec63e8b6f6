"""The calendar file of a pledge."""

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from app.core.database import Pool, transaction
from app.domain.manifests.calendar import write_calendar
from app.domain.manifests.rider_store import read_pledge_manifests
from app.settings import Settings
from app.surfaces.rider.passes import require_pledge, require_travel


@get("/p/{token:str}/calendar.ics", include_in_schema=False)
async def show_calendar(token: FromPath[str], pool: NamedDependency[Pool], settings: NamedDependency[Settings]) -> Response[bytes]:
    """My travel as iCalendar: to save once, or to subscribe to."""
    async with transaction(pool) as conn:
        pledge = await require_pledge(conn, token)
        travel = await require_travel(conn, pledge.id)
        manifests = await read_pledge_manifests(conn, pledge.id)
    written = write_calendar(travel, [manifest.document for manifest in manifests], page_url=f"{settings.base_url}/p/{token}")
    headers = {"content-disposition": f'inline; filename="busload-{travel.public_code}.ics"'}
    return Response(written, media_type="text/calendar; charset=utf-8", headers=headers)


ROUTES = [show_calendar]
