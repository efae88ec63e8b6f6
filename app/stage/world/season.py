"""Six events at once, each at another point of its life; told in order of time while the world's clock is moved towards now."""

from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from app.core.database import transaction
from app.domain.dispatch.model import Duty, Scope
from app.domain.dispatch.store import plans
from app.domain.events.model import Event
from app.domain.pledges import store as pledges
from app.domain.pledges.model import Pledge, PledgeState
from app.domain.trips.model import Trip
from app.flows.cancel_trip import cancel_trip
from app.flows.plan_event import MAX_RIDE_S, EventWish, StopWish, TripWish, create_event, create_trip, open_trip
from app.flows.withdraw_pledge import withdraw_pledge
from app.stage.world.calendar import Times, festival_times, march_day, times_on
from app.stage.world.crowd import Party, parties_of, pledge_all
from app.stage.world.hands import Hands
from app.stage.world.paying import open_accounts
from app.stage.world.records import EventRecord, NamesRecord, TripRecord
from app.stage.world.road import accept_all, approve, board, depart, drive_home, of_scope

ORGANISER = "organiser"
LONGEST_RIDE_S = 8 * 3600
FAR_KM = 180
DECLINED_CARD, ASKING_CARD = "4000000000000341", "4000002760003184"


class Show(msgspec.Struct, frozen=True, kw_only=True):
    """An event with its trips, by origin."""

    event: Event
    trips: dict[str, Trip]


class Season:
    """Plays the events. `real_now` is the moment at which the world arrives."""

    def __init__(
        self, hands: Hands, records: dict[str, EventRecord], names: dict[str, NamesRecord], *, partner_id: UUID, real_now: datetime
    ) -> None:
        self.hands, self.records, self.names, self.partner_id, self.real_now = hands, records, names, partner_id, real_now

    async def play(self) -> None:
        """From a quarter of a year ago to now."""
        await self.at(-104)
        assembly = await self.put_on("assembly", self.match_times("assembly", day=-75, booking_closes=-90, capacity=-83), deadline=-99)
        await self.at(-89)
        await self.settle(assembly)
        await self.at(-76)
        await self.travel_home(assembly)
        await open_accounts(self.hands, await self.duties(assembly), partner_id=self.partner_id)
        await self.at(-40)
        past = await self.put_on("past", self.match_times("past", day=-6, booking_closes=-21, capacity=-14), deadline=-30)
        await self.at(-34)
        festival_at = festival_times(self.real_now, self.records["festival"].zone)
        festival = await self.put_on("festival", festival_at, deadline=-20)
        await self.at(-26)
        final = await self.put_on("final", self.match_times("final", day=12, booking_closes=-2.1, capacity=6), deadline=-9)
        await self.at(-20)
        await self.settle(past)
        await self.at(-18)
        derby = await self.put_on("derby", self.match_times("derby", day=9, booking_closes=-0.1, capacity=5), deadline=-7)
        await self.at(-15)
        await self.settle(festival)
        await self.at(-12)
        march = await self.put_on("march", self.march_times(), deadline=12)
        await self.travel_home(past)
        await open_accounts(self.hands, await self.duties(past))
        await self.at(-2)
        await self.settle(final)
        await self.at(-1)
        await self.change_minds(march)
        await self.at(0)
        await approve(self.hands, derby.event.id)
        await self.set_out(festival)

    async def at(self, days: int) -> None:
        """The clock now stands so many days from real time."""
        await self.hands.jump(timedelta(days=days))

    async def at_moment(self, moment: datetime) -> None:
        """The clock now shows this moment."""
        await self.hands.jump(moment - self.real_now)

    def days(self, days: float) -> datetime:
        """A moment counted from now, to the minute."""
        return (self.real_now + timedelta(days=days)).replace(second=0, microsecond=0)

    def match_times(self, key: str, *, day: int, booking_closes: float, capacity: float) -> Times:
        """A match on a day counted from today."""
        on = self.real_now.date() + timedelta(days=day)
        return times_on(
            self.records[key], on, booking_closes_at=self.days(booking_closes), capacity_deadline_at=self.days(capacity)
        )  # fmt: skip

    def march_times(self) -> Times:
        """The march, with ten days between booking close and the day."""
        day = march_day(self.real_now.date())
        ahead = (day - self.real_now.date()).days
        return times_on(
            self.records["march"], day, booking_closes_at=self.days(ahead - 10), capacity_deadline_at=self.days(ahead - 5)
        )  # fmt: skip

    async def put_on(self, key: str, times: Times, *, deadline: float) -> Show:
        """Creates an event with its trips, opens those that are to open, lets people pledge and pay."""
        record = self.records[key]
        event = await create_event(self.hands.pool, self.event_wish(record, times), actor=ORGANISER)
        trips = {}
        for number, trip_record in enumerate(record.trips):
            day = -3.0 if trip_record.story == "expired" else deadline + number / 2
            wish = trip_wish(record, trip_record, deadline_at=min(self.days(day), event.booking_closes_at))
            trip = await create_trip(self.hands.pool, event.id, wish, actor=ORGANISER)
            if trip_record.story != "draft":
                trip = await open_trip(self.hands.pool, trip.id, actor=ORGANISER)
                await pledge_all(self.hands, trip, self.crowd(record, trip_record))
            trips[trip_record.origin] = trip
        await self.hands.work()
        return Show(event=event, trips=trips)

    def crowd(self, record: EventRecord, trip: TripRecord) -> list[Party]:
        """The people of a trip's story."""
        return parties_of(trip.people, self.names[record.country], self.hands.dice, one_way=trip.price_one_way_minor is not None)

    def event_wish(self, record: EventRecord, times: Times) -> EventWish:
        """The event as an organiser would enter it."""
        return EventWish(
            name=record.name, kind=record.kind, summary=record.summary, venue_name=record.venue_name, address=record.address,
            lat=record.lat, lon=record.lon, zone=record.zone, currency=record.currency, fee_bp=1000,
            partner_share_bp=200 if record.partner else 0, max_stops=6,
            rider_minute_minor=0, contact_phone=record.contact_phone, partner_id=self.partner_id if record.partner else None,
            **msgspec.structs.asdict(times),
        )  # fmt: skip

    async def settle(self, show: Show) -> None:
        """Booking has closed: what is short is approved, every operator says yes, drivers are assigned."""
        await approve(self.hands, show.event.id)
        await accept_all(self.hands, show.event.id)
        await self.hands.work()

    async def travel_home(self, show: Show) -> None:
        """The day of a match that is over now: out, and home again."""
        duties = of_scope(await self.duties(show), Scope.BOTH)
        await self.at_moment(show.event.arrive_by_at - timedelta(hours=1))
        for duty in duties:
            await depart(self.hands, duty, await self.hands.now())
        await self.at_moment(show.event.return_departs_at + timedelta(minutes=30))
        for duty in duties:
            await drive_home(self.hands, duty, await self.hands.now())

    async def set_out(self, show: Show) -> None:
        """The way out to the festival has begun: the bus that left its last stop is on the road, the others are still boarding."""
        duties = of_scope(await self.duties(show), Scope.OUTBOUND)
        first, later = duties[0], duties[1:]
        await depart(self.hands, first, await self.hands.now())
        for duty in later:
            await board(
                self.hands, duty, "outbound", await self.hands.now(), missing=sum(call.seats for call in duty.timetable.calls[1:]) // 2
            )

    async def change_minds(self, march: Show) -> None:
        """A trip is called off, a party leaves, late riders come whose banks say no or want a word."""
        await cancel_trip(
            self.hands.pool,
            march.trips["Charlottesville"].id,
            actor=ORGANISER,
            reason="The road over the Blue Ridge is closed that weekend.",
        )
        leaving = await self.someone(march.trips["New York"])
        await withdraw_pledge(self.hands.pool, leaving.id, actor="rider")
        late = parties_of(2, self.names["US"], self.hands.dice, one_way=False)[:1]
        for card in (DECLINED_CARD, ASKING_CARD):
            await pledge_all(self.hands, march.trips["Baltimore"], late, card=card)
            late = parties_of(2, self.names["US"], self.hands.dice, one_way=False)[:1]
        await self.hands.work()

    async def duties(self, show: Show) -> list[Duty]:
        """What the buses of an event do."""
        async with transaction(self.hands.pool) as conn:
            return await plans.list_current_duties(conn, show.event.id)

    async def someone(self, trip: Trip) -> Pledge:
        """A party that may still leave."""
        async with transaction(self.hands.pool) as conn:
            active = await pledges.lock_pledges_of_trip(conn, trip.id, [PledgeState.ACTIVE])
        return min(active, key=lambda pledge: (pledge.people, pledge.id))


def trip_wish(event: EventRecord, trip: TripRecord, *, deadline_at: datetime) -> TripWish:
    """The trip as an organiser would enter it; far origins may ride longer than the usual four hours."""
    far = max(abs(trip.lat - event.lat) * 111, abs(trip.lon - event.lon) * 80) > FAR_KM
    ride_s = LONGEST_RIDE_S if far else MAX_RIDE_S
    return TripWish(
        origin=trip.origin, origin_lat=trip.lat, origin_lon=trip.lon, zone=event.zone, price_both_minor=trip.price_both_minor,
        price_one_way_minor=trip.price_one_way_minor, tiers=trip.tiers, minimum=trip.minimum, cap=trip.cap, deadline_at=deadline_at,
        stops=[
            StopWish(name=stop.name, address=stop.address, lat=stop.lat, lon=stop.lon, zone=event.zone, max_ride_s=ride_s)
            for stop in trip.stops
        ],
    )  # fmt: skip
