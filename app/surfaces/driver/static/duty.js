// The day as steps, and who is aboard: pure functions over the sheet and what waits to be sent.
export function stepsOf(sheet) {
  const { manifest } = sheet;
  const board = manifest.outbound.map((call) => ({ kind: "board", leg: "outbound", call, place: call.place, arriveAt: call.arrive_at, departAt: call.depart_at, parties: call.parties }));
  const back = manifest.return.flatMap((call) => call.parties);
  const venue = { kind: "venue", leg: "return", place: manifest.venue, arriveAt: manifest.venue_arrive_at, departAt: manifest.venue_depart_at, parties: back };
  const set = manifest.return.map((call) => ({ kind: "set-down", leg: "return", call, place: call.place, arriveAt: call.arrive_at, departAt: call.depart_at, parties: call.parties }));
  const depot = { kind: "depot", leg: "return", place: manifest.depot, arriveAt: manifest.depot_in_at, departAt: null, parties: [] };
  return [...board, venue, ...set, depot];
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
