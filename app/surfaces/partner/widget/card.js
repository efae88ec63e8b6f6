// Busload widget, card: a small departure board with live progress. Everything it shows is set as text, never as markup.
import { SHEET } from "./card-style.js";
import { dates, money, words } from "./card-words.js";

const MOST_STREAMS = 2;
const REFRESH_MS = 60_000;
const TIPPED = new Set(["confirmed", "allocated", "departed", "completed"]);
const SOLD = new Set(["open", "confirmed"]);
const style = new CSSStyleSheet();
style.replaceSync(SHEET);

function make(tag, part, props = {}, ...children) {
  const element = Object.assign(document.createElement(tag), { className: part, ...props });
  element.setAttribute("part", part);
  element.append(...children);
  return element;
}

export class Card {
  #host;
  #data;
  #read;
  #say;
  #rows = new Map();
  #streams = new Map();
  #timer;
  #awake = true;
  #hidden = () => this.#balance();

  constructor(host, data, read, sheets) {
    this.#host = host;
    this.#data = data;
    this.#read = read;
    this.lang = (host.getAttribute("lang") || host.closest("[lang]")?.lang || navigator.language || "en").toLowerCase();
    this.#say = words(this.lang);
    host.shadowRoot.adoptedStyleSheets = [...sheets, style];
    host.shadowRoot.replaceChildren(this.#frame());
    this.#returned();
    document.addEventListener("visibilitychange", this.#hidden);
    this.#timer = setInterval(() => this.#awake && !document.hidden && this.#refresh(), REFRESH_MS);
    this.#balance();
  }

  stop() {
    clearInterval(this.#timer);
    document.removeEventListener("visibilitychange", this.#hidden);
    this.#awake = false;
    this.#balance();
  }

  wake() {
    this.#awake = true;
    this.#balance();
  }

  rest() {
    this.#awake = false;
    this.#balance();
  }

  #frame() {
    const { event, trips } = this.#data;
    const on = dates(this.lang, event.zone);
    const title = make("a", "title", { href: event.url, target: "_top" }, event.name);
    const head = make("div", "head", {}, title, make("p", "where", {}, `${on(event.starts_at)}, ${event.venue}`));
    const list = make("ul", "list", {}, ...trips.map((trip) => this.#row(trip, on)));
    if (!trips.length) list.append(make("li", "row none", {}, this.#say.none));
    this.note = make("p", "note", {}, this.#say.promise);
    this.status = make("span", "status unseen", { role: "status" });
    const foot = make("div", "foot", {}, this.note, make("a", "brand", { href: event.url, target: "_top" }, "busload"), this.status);
    const card = make("section", "card", { lang: this.#say.lang }, head, list, foot);
    card.setAttribute("aria-label", event.name);
    return card;
  }

  #row(trip, on) {
    const parts = {
      origin: make("strong", "origin", {}, trip.origin),
      price: make("span", "price"),
      progress: make("progress", "progress"),
      count: make("span", "count"),
      due: make("span", "deadline", {}, this.#say.by(on(trip.deadline_at, true))),
      button: make("a", "button", { href: this.#address(trip), target: "_top" }),
    };
    parts.button.addEventListener("click", (click) => {
      if (!this.#host.tell("pledge-start", { event: this.#data.event.code, trip: trip.code, url: parts.button.href })) click.preventDefault();
    });
    const top = make("div", "line", {}, parts.origin, parts.price);
    const low = make("div", "line", {}, parts.count, parts.due);
    const row = make("li", "row", {}, make("div", "facts", {}, top, parts.progress, low), parts.button);
    this.#rows.set(trip.code, { trip, parts, row });
    this.#show(trip.code, trip);
    return row;
  }

  #address(trip) {
    const url = new URL(trip.url);
    const key = this.#host.getAttribute("key");
    if (key) url.searchParams.set("via", key);
    url.searchParams.set("return", location.href.split("#")[0]);
    return url.href;
  }

  #show(code, news) {
    const entry = this.#rows.get(code);
    const before = entry.trip.state;
    const trip = (entry.trip = { ...entry.trip, ...news });
    const { parts, row } = entry;
    const tipped = TIPPED.has(trip.state);
    const goal = tipped ? trip.cap : trip.minimum;
    const say = this.#say;
    const full = trip.secured >= trip.cap;
    parts.progress.max = goal;
    parts.progress.value = Math.min(goal, trip.secured);
    parts.progress.setAttribute("aria-label", `${trip.origin}: ${say.of(trip.secured, goal)}`);
    parts.price.textContent = money(this.lang, trip.price_minor, trip.currency);
    parts.count.textContent = `${say.of(trip.secured, goal)}, ${tipped ? say.left(Math.max(0, trip.cap - trip.secured)) : say.togo(Math.max(0, trip.minimum - trip.secured))}`;
    if (!SOLD.has(trip.state) && trip.state !== "allocated") parts.count.textContent = say.state[trip.state] || trip.state;
    parts.due.textContent = tipped ? say.state.confirmed : parts.due.textContent;
    parts.due.hidden = !SOLD.has(trip.state) && trip.state !== "allocated";
    const open = SOLD.has(trip.state) && !full;
    parts.button.textContent = open ? say.pledge : say.see;
    parts.button.setAttribute("aria-label", `${parts.button.textContent}: ${trip.origin}`);
    row.dataset.state = trip.state;
    row.toggleAttribute("data-open", open);
    if (before !== trip.state) {
      this.status.textContent = `${trip.origin}: ${say.state[trip.state] || trip.state}`;
      this.#balance();
    }
  }

  async #refresh() {
    const data = await this.#read().catch(() => null);
    data?.trips.forEach((trip) => this.#rows.has(trip.code) && this.#show(trip.code, trip));
  }

  // Two streams at most, for the open trips closest to their minimum: a browser grants one host six connections over HTTP/1.1.
  #balance() {
    const open = [...this.#rows.values()].map((row) => row.trip).filter((trip) => trip.live_url && trip.state === "open");
    open.sort((a, b) => a.minimum - a.secured - (b.minimum - b.secured));
    const wanted = this.#awake && !document.hidden ? [...new Set(open.map((trip) => trip.live_url))].slice(0, MOST_STREAMS) : [];
    for (const [url, source] of this.#streams) {
      if (wanted.includes(url) && source.readyState !== EventSource.CLOSED) continue;
      source.close();
      this.#streams.delete(url);
    }
    wanted.filter((url) => !this.#streams.has(url)).forEach((url) => this.#listen(url));
  }

  #listen(url) {
    const source = new EventSource(url);
    const hear = (event) => {
      const news = JSON.parse(event.data);
      const codes = [...this.#rows].filter(([code, row]) => row.trip.live_url === url && (!news.code || news.code === code)).map(([code]) => code);
      const { state, secured, minimum, cap, price_both_minor: price_minor } = news;
      const known = Object.fromEntries(Object.entries({ state, secured, minimum, cap, price_minor }).filter(([, value]) => value !== undefined));
      if (codes.length === 1) this.#show(codes[0], known);
    };
    source.addEventListener("message", hear);
    source.addEventListener("trip", hear);
    this.#streams.set(url, source);
  }

  // Our page sends a rider who has pledged back to #busload-pledged=TRIP.
  #returned() {
    const trip = new URLSearchParams(location.hash.slice(1)).get("busload-pledged");
    if (!trip || !this.#rows.has(trip)) return;
    history.replaceState(history.state, "", location.href.split("#")[0]);
    this.note.textContent = this.#say.thanks(this.#rows.get(trip).trip.origin);
    this.#host.tell("pledge-complete", { event: this.#data.event.code, trip });
  }
}
