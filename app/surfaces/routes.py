"""Every route of every surface, for the composition root."""

from litestar.types import ControllerRouterHandler

from app.surfaces.account import pages as account_pages
from app.surfaces.account import passkeys as account_passkeys
from app.surfaces.account import your_data
from app.surfaces.driver import api as driver_api
from app.surfaces.driver import pages as driver_pages
from app.surfaces.open_data import api as open_data_api
from app.surfaces.open_data import reference
from app.surfaces.operator import api as operator_api
from app.surfaces.operator import fleet_api, fleet_pages, statement_api, statement_pages
from app.surfaces.operator import pages as operator_pages
from app.surfaces.organiser import api as organiser_api
from app.surfaces.organiser import (
    dispatch_api,
    dispatch_maps,
    dispatch_pages,
    dispute_pages,
    doctor,
    money_api,
    money_pages,
    payout_api,
    payout_pages,
    payouts_waiting,
    review_pages,
)
from app.surfaces.organiser import pages as organiser_pages
from app.surfaces.partner import api as partner_api
from app.surfaces.partner import embedding, webhook_pages
from app.surfaces.partner import pages as partner_pages
from app.surfaces.partner import statement_api as partner_statement_api
from app.surfaces.partner import statement_pages as partner_statement_pages
from app.surfaces.rider import api as rider_api
from app.surfaces.rider import (
    browse_pages,
    calendar,
    passes,
    pledge_pages,
    receipt,
    tracking,
    transfer_api,
    transfer_pages,
    waitlist_api,
    waitlist_pages,
)
from app.surfaces.sign_in import demo
from app.surfaces.sign_in import pages as sign_in_pages
from app.surfaces.sign_in import passkeys as sign_in_passkeys
from app.surfaces.webhooks import api as webhooks_api

ROUTES: list[ControllerRouterHandler] = [
    *driver_api.ROUTES,
    *driver_pages.ROUTES,
    *rider_api.ROUTES,
    *browse_pages.ROUTES,
    *pledge_pages.ROUTES,
    *passes.ROUTES,
    *calendar.ROUTES,
    *receipt.ROUTES,
    *tracking.ROUTES,
    *transfer_api.ROUTES,
    *transfer_pages.ROUTES,
    *waitlist_api.ROUTES,
    *waitlist_pages.ROUTES,
    *organiser_api.ROUTES,
    *organiser_pages.ROUTES,
    *review_pages.ROUTES,
    *money_pages.ROUTES,
    *money_api.ROUTES,
    *dispute_pages.ROUTES,
    *dispatch_api.ROUTES,
    *dispatch_maps.ROUTES,
    *dispatch_pages.ROUTES,
    *doctor.ROUTES,
    *payout_api.ROUTES,
    *payout_pages.ROUTES,
    *payouts_waiting.ROUTES,
    *operator_api.ROUTES,
    *fleet_api.ROUTES,
    *operator_pages.ROUTES,
    *fleet_pages.ROUTES,
    *statement_api.ROUTES,
    *statement_pages.ROUTES,
    *partner_api.ROUTES,
    *partner_pages.ROUTES,
    *partner_statement_api.ROUTES,
    *partner_statement_pages.ROUTES,
    *webhook_pages.ROUTES,
    *embedding.ROUTES,
    *open_data_api.ROUTES,
    *reference.ROUTES,
    *sign_in_pages.ROUTES,
    *sign_in_passkeys.ROUTES,
    *account_pages.ROUTES,
    *account_passkeys.ROUTES,
    *your_data.ROUTES,
    *demo.ROUTES,
    *webhooks_api.ROUTES,
]
