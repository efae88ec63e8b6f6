"""Every route of every surface, for the composition root."""

from litestar.types import ControllerRouterHandler

from app.surfaces.driver import api as driver_api
from app.surfaces.driver import pages as driver_pages
from app.surfaces.organiser import api as organiser_api
from app.surfaces.rider import api as rider_api

ROUTES: list[ControllerRouterHandler] = [*driver_api.ROUTES, *driver_pages.ROUTES, *rider_api.ROUTES, *organiser_api.ROUTES]
