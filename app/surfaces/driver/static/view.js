// What the driver sees. Built with createElement only: names are text, never markup.
import { clock, headCount, peopleOf, routesTo, zoneName } from "./duty.js";

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function placesOf(party) {
  const seats = party.seats ? [plural(party.seats, "seat")] : [];
  return [...seats, ...(party.wheelchairs ? [plural(party.wheelchairs, "wheelchair")] : [])].join(" + ");
}

const TITLES = { board: "People get on", arrive: "The venue", venue: "Boarding for the way back", "set-down": "People get off", depot: "Home" };
const isOff = (step) => step.kind === "set-down" || step.kind === "arrive";

export function nextStop(step, index, count, roll, now, actions) {
  const zone = step.place.zone;
  const moment = step.departAt ?? step.arriveAt;
  const late = Math.floor((now - Date.parse(moment)) / 60000);
  const checked = step.kind === "board" || step.kind === "venue";
  return h(
    "section",
    { class: "duty-next", "aria-label": "Next stop" },
    h("p", { class: "duty-step" }, h("span", {}, TITLES[step.kind]), h("span", {}, `${index + 1} of ${count}`)),
    h("h1", { class: "duty-place" }, step.place.name),
    step.place.address && h("p", { class: "duty-address" }, step.place.address),
    h(
      "div",
      { class: "duty-when" },
      h("p", { class: "duty-clock" }, h("time", { datetime: moment }, clock(moment, zone)), h("span", { class: "duty-zone" }, zoneName(moment, zone))),
      checked && h("p", { class: "duty-count" }, h("b", {}, `${roll.count(step.parties, step.leg)}/${headCount(step.parties)}`), " aboard"),
      isOff(step) && h("p", { class: "duty-count" }, h("b", {}, String(headCount(step.parties))), " get off"),
      h(
        "p",
        { class: "duty-notes" },
        step.departAt ? `leaves · here from ${clock(step.arriveAt, zone)}` : "arrives",
        late > 4 && h("strong", { class: "duty-late" }, `planned ${plural(late, "minute")} ago`),
      ),
    ),
    h("button", { class: "button duty-wide", type: "button", onclick: () => actions.navigate(step.place) }, "Navigate there"),
  );
}

export function partyRow(party, leg, roll, actions) {
  const people = peopleOf(party);
  const missing = roll.missing(party, leg);
  const aboard = people - missing.length;
  const done = missing.length === 0;
  const waits = Array.from({ length: people }, (_, n) => roll.find(party.pledge_id, n + 1, leg)).some((one) => one?.waits);
  return h(
    "li",
    { class: "duty-party", "data-done": done, "data-party": party.public_code },
    h(
      "div",
      { class: "duty-who" },
      h("strong", { class: "duty-name" }, party.name),
      h("span", { class: "duty-seats" }, `${placesOf(party)} · ${party.public_code}`),
      people > 1 && !done && aboard > 0 && h("span", { class: "duty-part" }, `${aboard} of ${people} aboard`),
      waits && h("span", { class: "duty-waits" }, "waiting to be sent"),
    ),
    done
      ? h("p", { class: "duty-done" }, people === 1 ? "Aboard" : `All ${people} aboard`)
      : h(
          "div",
          { class: "duty-buttons" },
          people > 1 &&
            h(
              "button",
              { class: "button duty-one", type: "button", "aria-label": `${party.name}: +1 aboard, ${aboard} of ${people} so far`, onclick: () => actions.board(party, missing.slice(0, 1), leg) },
              "+1",
            ),
          h(
            "button",
            { class: "button button-primary duty-aboard", type: "button", "aria-label": `${party.name}: ${people === 1 ? "aboard" : aboard ? `other ${missing.length} aboard` : `all ${people} aboard`}`, onclick: () => actions.board(party, missing, leg) },
            people === 1 ? "Aboard" : aboard ? `Other ${missing.length}` : `All ${people}`,
          ),
        ),
    party.needs && h("p", { class: "duty-needs" }, party.needs),
    roll.hasConflict(party, leg) && h("p", { class: "duty-conflict" }, "Checked in twice: look at the passes"),
  );
}

export function partyList(parties, leg, roll, actions) {
  if (parties.length === 0) return h("p", { class: "duty-empty" }, "Nobody gets on or off here.");
  const sorted = [...parties].sort((a, b) => (roll.missing(a, leg).length === 0) - (roll.missing(b, leg).length === 0) || a.name.localeCompare(b.name));
  return h("ul", { class: "duty-parties" }, sorted.map((party) => partyRow(party, leg, roll, actions)));
}

export function offList(parties) {
  return h(
    "ul",
    { class: "duty-parties" },
    parties.map((party) => h("li", { class: "duty-party" }, h("div", { class: "duty-who" }, h("strong", { class: "duty-name" }, party.name), h("span", { class: "duty-seats" }, placesOf(party)), party.needs && h("span", { class: "duty-needs" }, party.needs)))),
  );
}

export function stepList(steps, current, roll, actions) {
  return h(
    "ol",
    { class: "duty-steps" },
    steps.map((step, index) => {
      const moment = step.departAt ?? step.arriveAt;
      const checked = step.kind === "board" || step.kind === "venue";
      return h(
        "li",
        {},
        h(
          "button",
          { class: "duty-jump", type: "button", "aria-current": index === current ? "step" : null, onclick: () => actions.jump(index) },
          h("span", { class: "duty-jump-time" }, clock(moment, step.place.zone)),
          h("span", {}, step.place.name),
          h("span", { class: "duty-jump-count" }, checked ? `${roll.count(step.parties, step.leg)}/${headCount(step.parties)}` : isOff(step) && headCount(step.parties) ? `−${headCount(step.parties)}` : ""),
        ),
      );
    }),
  );
}

export function routeLinks(place) {
  return h("div", { class: "duty-routes" }, routesTo(place).map(([name, href]) => h("a", { class: "button button-large duty-wide", href, target: "_blank", rel: "noreferrer noopener" }, name)));
}
