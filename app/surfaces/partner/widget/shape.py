"""What `GET /w/events/{public_code}.json?key=...` answers: public data only, so one answer serves every visitor of a partner's page."""

from datetime import datetime

import msgspec


class WidgetEvent(msgspec.Struct, frozen=True, kw_only=True):
    """`url` is our event page; `zone` the venue's IANA zone, in which times are shown."""

    code: str
    name: str
    venue: str
    starts_at: datetime
    zone: str
    url: str


class WidgetTrip(msgspec.Struct, frozen=True, kw_only=True):
    """One trip that riders may see. People, not pledges, are counted; `to_go` is 0 once it has tipped.

    `url` is our trip page, absolute; `live_url` the SSE stream, absolute, or None when nothing will change any more. Trips may
    share one stream if its messages carry `code`.
    """

    code: str
    origin: str
    state: str
    price_minor: int
    currency: str
    minimum: int
    cap: int
    secured: int
    to_go: int
    deadline_at: datetime
    url: str
    live_url: str | None


class WidgetPage(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer; trips in the order to show them, drafts left out."""

    event: WidgetEvent
    trips: list[WidgetTrip]
