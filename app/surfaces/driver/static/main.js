// The driver's page as an app: shows the next stop, checks people in, keeps working without signal.
import { headCount, partyOf, peopleOf, rollOf, stepsOf } from "./duty.js";
import { showIncident, showRoutes, showScanner, showSearch } from "./dialogs.js";
import { checkPass } from "./passes.js";
import { watchPosition } from "./position.js";
import { startScanner } from "./scanner.js";
import { openStore } from "./store.js";
import { LinkClosed, NoSignal, fetchSheet, sendWaiting } from "./sync.js";
import { h, nextStop, offList, partyList, routeLinks, stepList } from "./view.js";

const POLL_MS = 20000;
const UNDO_MS = 5000;
const CACHE = "busload-driver-1";
const token = location.pathname.split("/")[2];
const app = document.getElementById("duty-app");
const status = document.getElementById("duty-status");

const state = { sheet: null, waiting: [], step: 0, signal: "unknown", refused: [], offset: 0, news: null, sharing: false, asked: false, leaving: false, trouble: "" };
let store;
let search = null;
let undo = null;
let stopSharing = null;
let busy = null;
let timer = null;
let pressed = false;
let late = false;

async function begin() {
  watchFinger();
  store = await openStore(token);
  state.sheet = (await store.kept("sheet")) ?? null;
  state.step = (await store.kept("step")) ?? 0;
  state.offset = (await store.kept("offset")) ?? 0;
  state.refused = (await store.kept("refused")) ?? [];
  state.waiting = await store.waiting();
  const sharing = await store.kept("sharing");
  state.asked = sharing !== undefined;
  draw();
  if (sharing) share(true);
  await sync();
  void keepOffline();
  window.addEventListener("online", () => void sync());
  document.addEventListener("visibilitychange", () => void sync());
}

// The service's clock as far as we know it: a phone's own may be wrong.
const now = () => Date.now() + state.offset;
const stamp = () => new Date(now()).toISOString();

// One run at a time; a call while one is under way asks for another after it.
function sync() {
  clearTimeout(timer);
  busy = (busy ?? Promise.resolve()).then(exchange).finally(() => {
    clearTimeout(timer);
    if (state.signal !== "closed") timer = setTimeout(sync, POLL_MS);
  });
  return busy;
}

async function exchange() {
  if (state.signal === "closed") return;
  try {
    const refused = await sendWaiting(token, store);
    if (refused.length) await keepRefused(refused);
    const sheet = await fetchSheet(token);
    if (state.sheet && sheet.version > state.sheet.version) state.news = `The manifest has changed: version ${sheet.version}. Look at every stop again.`;
    state.sheet = sheet;
    state.signal = "good";
    state.offset = Date.parse(sheet.now) - Date.now();
    await store.keep("sheet", sheet);
    await store.keep("offset", state.offset);
  } catch (error) {
    if (error instanceof LinkClosed) return closeLink(error);
    state.signal = error instanceof NoSignal ? "lost" : "refused";
    state.trouble = error.message;
    if (error.code === "no_manifest") state.news = error.message;
  }
  state.waiting = await store.waiting();
  draw();
}

async function keepRefused(refused) {
  const lines = refused.map(({ item, detail }) => `${item.label}: ${detail}`);
  state.refused = [...state.refused, ...lines].slice(-20);
  await store.keep("refused", state.refused);
}

async function closeLink(problem) {
  state.signal = "closed";
  stopSharing?.();
  await store.forget();
  const cache = await caches.open(CACHE);
  await cache.delete(location.pathname);
  document.getElementById("duty-plain")?.remove();
  document.querySelector(".duty-bar")?.remove();
  app.hidden = false;
  app.replaceChildren(h("section", { class: "duty-next" }, h("h1", { class: "duty-place" }, problem.title ?? "This link is closed"), h("p", {}, problem.message)));
  say("closed", "Link closed");
}

async function queue(kind, body, label, extra = {}) {
  await store.add({ kind, body, label, ...extra });
  state.waiting = await store.waiting();
  draw();
}

async function board(party, people, leg) {
  const at = stamp();
  for (const person of people) {
    const body = { id: crypto.randomUUID(), checked_at: at, pledge_id: party.pledge_id, person, leg };
    await queue("check-ins", body, party.name, { who: { pledgeId: party.pledge_id, person, leg }, heldUntil: Date.now() + UNDO_MS });
  }
  offerUndo(`${party.name}: ${people.length === 1 ? "1 person" : `${people.length} people`} aboard`, at);
}

// A wrong tap can be taken back for five seconds: until then it is not sent.
function offerUndo(words, at) {
  undo?.remove();
  clearTimeout(timer);
  const toast = h("div", { class: "duty-toast", role: "status" }, h("span", {}, words), h("button", { class: "button", type: "button", onclick: () => void takeBack(at) }, "Undo"));
  undo = toast;
  (document.querySelector("dialog[open]") ?? document.body).append(toast);
  timer = setTimeout(() => {
    toast.remove();
    void sync();
  }, UNDO_MS);
}

async function takeBack(at) {
  undo?.remove();
  await store.drop((await store.waiting()).filter((item) => item.kind === "check-ins" && item.body.checked_at === at));
  state.waiting = await store.waiting();
  draw();
}

async function scanned(text, say) {
  try {
    const claims = await checkPass(text, state.sheet, now());
    const party = partyOf(state.sheet, claims.pledgeId, claims.leg);
    if (!party || claims.person > peopleOf(party)) return say("bad", "Not on this manifest", "Call the dispatcher.");
    const roll = rollOf(state.sheet, state.waiting);
    const way = claims.leg === "outbound" ? "the way there" : "the way back";
    if (steps()[state.step]?.leg !== claims.leg) return say("wait", party.name, `This is the pass for ${way}. Ask for the other one.`);
    if (roll.find(claims.pledgeId, claims.person, claims.leg)) return say("wait", party.name, "Already aboard with this pass.");
    const body = { id: crypto.randomUUID(), checked_at: stamp(), pass: text };
    await queue("check-ins", body, party.name, { who: { pledgeId: claims.pledgeId, person: claims.person, leg: claims.leg } });
    const after = rollOf(state.sheet, state.waiting);
    const people = peopleOf(party);
    say("good", party.name, `${people - after.missing(party, claims.leg).length} of ${people} aboard${party.needs ? ` · ${party.needs}` : ""}`);
    void sync();
  } catch (refusal) {
    say("bad", "Refused", refusal.message);
  }
}

const actions = {
  board,
  navigate: (place) => showRoutes(place, routeLinks(place)),
  jump(index) {
    state.step = index;
    state.leaving = false;
    void store.keep("step", index);
    draw();
    window.scrollTo({ top: 0 });
  },
};

// Leaving with people missing needs a second tap.
async function leave() {
  const all = steps();
  const step = all[state.step];
  const checked = step.kind === "board" || step.kind === "venue";
  const missing = checked ? headCount(step.parties) - rollOf(state.sheet, state.waiting).count(step.parties, step.leg) : 0;
  if (missing > 0 && !state.leaving) {
    state.leaving = true;
    return draw();
  }
  const last = step.kind === "board" && all[state.step + 1]?.kind !== "board";
  if (last || (step.kind === "venue" && !state.sheet.manifest.outbound.length)) await queue("departure", {}, "Departure");
  if (step.kind === "depot") {
    share(false);
    await queue("end", {}, "End of duty");
  } else actions.jump(state.step + 1);
  void sync();
}

async function report(what, words) {
  await queue("incidents", { id: crypto.randomUUID(), ...what }, words);
  say("waiting", `${words}: being told`);
  void sync();
}

function share(wanted) {
  stopSharing?.();
  stopSharing = null;
  state.sharing = wanted;
  state.asked = true;
  void store.keep("sharing", wanted);
  if (wanted)
    stopSharing = watchPosition(
      async (here) => {
        await queue("positions", { ...here, at: new Date(Date.parse(here.at) + state.offset).toISOString() }, "Position");
        void sync();
      },
      (sentence) => {
        state.trouble = sentence;
        state.sharing = false;
        draw();
      },
    );
  draw();
}

const steps = () => stepsOf(state.sheet);

function say(kind, words) {
  status.dataset.state = kind;
  status.replaceChildren(h("span", { class: "duty-status-word" }, words), state.sheet && h("span", {}, `${state.sheet.manifest.vehicle.plate}${state.sharing ? " · position shared" : ""}`));
}

function sayStatus() {
  const count = state.waiting.filter((item) => item.kind !== "positions").length;
  const rest = count ? `${count} waiting to be sent` : state.waiting.length ? "position waiting" : "";
  if (state.signal === "lost") say("lost", rest ? `Connection lost · ${rest}` : "Connection lost");
  else if (state.signal === "refused") say("lost", "The server refuses this duty");
  else if (rest) say("waiting", rest);
  else if (state.signal === "good") say("good", "All sent");
}

function draw() {
  if (state.signal === "closed") return;
  sayStatus();
  if (!state.sheet) return;
  if (pressed) return void (late = true); // a finger is on a button: it must still be there when the finger lifts
  const focused = app.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  paint();
  if (focused) [...app.querySelectorAll("button, a, summary")].find((one) => nameOf(one) === focused)?.focus({ preventScroll: true });
}

const nameOf = (element) => element.getAttribute("aria-label") ?? element.textContent;

function watchFinger() {
  const lift = () => {
    pressed = false;
    if (late) setTimeout(draw, 60);
    late = false;
  };
  document.addEventListener("pointerdown", () => (pressed = true), true);
  for (const name of ["pointerup", "pointercancel"]) document.addEventListener(name, lift, true);
}

function paint() {
  document.getElementById("duty-plain")?.remove();
  app.hidden = false;
  const all = steps();
  state.step = Math.min(state.step, all.length - 1);
  const step = all[state.step];
  const roll = rollOf(state.sheet, state.waiting);
  const checked = step.kind === "board" || step.kind === "venue";
  app.replaceChildren(
    ...notices(),
    nextStop(step, state.step, all.length, roll, now(), actions),
    ask(),
    checked ? partyList(step.parties, step.leg, roll, actions) : step.kind === "set-down" ? offList(step.parties) : "",
    leaveButton(step, roll, checked),
    h("details", { class: "duty-more", open: app.querySelector(".duty-more")?.open }, h("summary", {}, "All stops"), stepList(all, state.step, roll, actions)),
    more(),
  );
  document.querySelector(".duty-bar") ?? document.body.append(bar());
  search?.refresh();
}

function notices() {
  const open = state.sheet.incidents.filter((one) => one.state === "open");
  return [
    state.news && h("div", { class: "duty-news", role: "alert" }, h("span", {}, state.news), h("button", { class: "button", type: "button", onclick: () => ((state.news = null), draw()) }, "Seen")),
    ...open.map((one) => h("p", { class: "duty-news", "data-tone": "bad" }, one.summary)),
    state.refused.length > 0 &&
      h("div", { class: "duty-news", "data-tone": "bad", role: "alert" }, h("span", {}, h("strong", {}, "Not taken by the server: "), state.refused.join(" · ")), h("button", { class: "button", type: "button", onclick: () => void clearRefused() }, "Seen")),
    state.sheet.ended_at && h("p", { class: "duty-news", "data-tone": "good" }, "The duty is over. Thank you."),
  ].filter(Boolean);
}

function ask() {
  if (state.asked || state.sheet.ended_at) return "";
  return h(
    "div",
    { class: "duty-news duty-ask" },
    h("span", {}, "May riders see where this bus is while the duty runs?"),
    h("div", { class: "duty-buttons" }, h("button", { class: "button button-primary", type: "button", onclick: () => share(true) }, "Share position"), h("button", { class: "button", type: "button", onclick: () => share(false) }, "Not now")),
  );
}

async function clearRefused() {
  state.refused = [];
  await store.keep("refused", []);
  draw();
}

function leaveButton(step, roll, checked) {
  if (step.kind === "depot" && state.sheet.ended_at) return "";
  const missing = checked ? headCount(step.parties) - roll.count(step.parties, step.leg) : 0;
  const words = { depot: "End the duty", arrive: "Everybody is off" }[step.kind] ?? `Leave ${step.place.name}`;
  const text = state.leaving && missing > 0 ? `${missing} not aboard. Tap again to leave` : words;
  return h("button", { class: "button button-large duty-wide duty-leave", type: "button", "data-warn": state.leaving && missing > 0, onclick: () => void leave() }, text);
}

function more() {
  const { manifest, version } = state.sheet;
  return h(
    "section",
    { class: "duty-foot" },
    h("button", { class: "button duty-wide", type: "button", "aria-pressed": String(state.sharing), onclick: () => share(!state.sharing) }, state.sharing ? "Position is shared: stop" : "Share the bus's position"),
    h("a", { class: "button duty-wide", href: `tel:${manifest.event.dispatcher_phone.replaceAll(" ", "")}` }, `Call dispatch ${manifest.event.dispatcher_phone.replaceAll(" ", "\u00a0")}`),
    h("a", { class: "button duty-wide", href: `/d/${token}/sheet.pdf` }, "The sheet on paper (PDF)"),
    h("p", { class: "duty-version" }, `${manifest.event.name} · duty ${manifest.duty_code} · manifest version ${version}`),
    state.trouble && !state.sharing && h("p", { class: "duty-version" }, state.trouble),
  );
}

function bar() {
  return h(
    "nav",
    { class: "duty-bar", "aria-label": "Check-in" },
    h("button", { class: "button button-primary", type: "button", onclick: scan }, "Scan passes"),
    h("button", { class: "button", type: "button", onclick: find }, "Find name"),
    h("button", { class: "button button-danger", type: "button", onclick: () => showIncident(state.sheet.manifest.event.dispatcher_phone, (what, words) => void report(what, words)) }, "Incident"),
  );
}

function scan() {
  const shown = showScanner((video) => startScanner(video, (text) => void scanned(text, shown.say)), draw);
}

function find() {
  const leg = steps()[state.step].leg;
  const calls = leg === "outbound" ? state.sheet.manifest.outbound : state.sheet.manifest.return;
  const parties = calls.flatMap((call) => call.parties);
  search = showSearch((fits) => partyList(parties.filter(fits), leg, rollOf(state.sheet, state.waiting), actions));
  search.dialog.addEventListener("close", () => (search = null));
}

// Everything this page needs goes into the cache at once: the next load may be in a valley.
async function keepOffline() {
  if (!("serviceWorker" in navigator)) return;
  await navigator.serviceWorker.register("/d/sw.js", { scope: "/d/" });
  await navigator.serviceWorker.ready;
  const cache = await caches.open(CACHE);
  const named = [...document.querySelectorAll("link[rel=stylesheet], link[rel=icon]")].map((link) => link.href);
  const scripts = [...document.querySelectorAll("script[src]")].map((script) => script.src);
  const wanted = [...JSON.parse(app.dataset.kept), ...named, ...scripts, location.pathname].map((address) => new URL(address, location.href).href);
  for (const address of wanted) if (!(await cache.match(address))) await cache.add(address).catch(() => {});
  const old = (await cache.keys()).filter((request) => new URL(request.url).pathname.startsWith("/d/static/") && !wanted.includes(request.url));
  for (const request of old) await cache.delete(request);
  await navigator.storage?.persist?.();
  app.dataset.offline = "ready";
}

void begin();
