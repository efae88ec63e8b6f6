// The day as steps, and who is aboard: pure functions over the sheet and what waits to be sent.
const halt = (kind, leg, place, arriveAt, departAt, parties) => ({ kind, leg, place, arriveAt, departAt, parties });

// board: people get on; arrive: the venue; venue: people get on for the way back; set-down: people get off; depot: home.
export function stepsOf({ manifest }) {
  const there = manifest.outbound.flatMap((call) => call.parties);
  const back = manifest.return.flatMap((call) => call.parties);
  return [
    ...manifest.outbound.map((call) => halt("board", "outbound", call.place, call.arrive_at, call.depart_at, call.parties)),
    ...(manifest.outbound.length ? [halt("arrive", "outbound", manifest.venue, manifest.venue_arrive_at, null, there)] : []),
    ...(manifest.return.length ? [halt("venue", "return", manifest.venue, manifest.venue_arrive_at, manifest.venue_depart_at, back)] : []),
    ...manifest.return.map((call) => halt("set-down", "return", call.place, call.arrive_at, call.depart_at, call.parties)),
    halt("depot", "return", manifest.depot, manifest.depot_in_at, null, []),
  ];
}

export const peopleOf = (party) => party.seats + party.wheelchairs;
const keyOf = (pledgeId, person, leg) => `${pledgeId}/${person}/${leg}`;

// Everyone aboard by person and leg; what waits on this phone counts. A second check-in of somebody else's phone is a conflict.
export function rollOf(sheet, waiting) {
  const aboard = new Map();
  const conflicts = new Set();
  const sent = new Set(sheet.check_ins.map((one) => one.id));
  for (const one of sheet.check_ins) {
    const key = keyOf(one.pledge_id, one.person, one.leg);
    if (one.conflicts_with) conflicts.add(key);
    else aboard.set(key, one);
  }
  for (const item of waiting) {
    if (item.kind !== "check-ins" || sent.has(item.body.id)) continue;
    const { pledgeId, person, leg } = item.who;
    const key = keyOf(pledgeId, person, leg);
    if (!aboard.has(key)) aboard.set(key, { checked_at: item.body.checked_at, waits: true });
  }
  const isAboard = (party, person, leg) => aboard.has(keyOf(party.pledge_id, person, leg));
  const people = (party) => Array.from({ length: peopleOf(party) }, (_, index) => index + 1);
  return {
    find: (pledgeId, person, leg) => aboard.get(keyOf(pledgeId, person, leg)),
    missing: (party, leg) => people(party).filter((person) => !isAboard(party, person, leg)),
    count: (parties, leg) => parties.reduce((sum, party) => sum + people(party).filter((person) => isAboard(party, person, leg)).length, 0),
    hasConflict: (party, leg) => people(party).some((person) => conflicts.has(keyOf(party.pledge_id, person, leg))),
  };
}

export const headCount = (parties) => parties.reduce((sum, party) => sum + peopleOf(party), 0);

export function partyOf(sheet, pledgeId, leg) {
  const calls = leg === "outbound" ? sheet.manifest.outbound : sheet.manifest.return;
  return calls.flatMap((call) => call.parties).find((party) => party.pledge_id === pledgeId);
}

export function clock(moment, zone) {
  return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", timeZone: zone }).format(new Date(moment));
}

export function zoneName(moment, zone) {
  const parts = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "short" }).formatToParts(new Date(moment));
  return parts.find((part) => part.type === "timeZoneName").value;
}

// One place at a time: Google drops more than three way-points on phones without a word.
export function routesTo(place) {
  const spot = `${place.lat},${place.lon}`;
  return [
    ["Phone's map", `geo:${spot}?q=${spot}(${encodeURIComponent(place.name)})`],
    ["Google Maps", `https://www.google.com/maps/dir/?api=1&travelmode=driving&destination=${spot}`],
    ["Apple Maps", `https://maps.apple.com/?dirflg=d&daddr=${spot}`],
    ["Waze", `https://waze.com/ul?navigate=yes&ll=${spot}`],
  ];
}
