// Busload widget, loader: <busload-trips event="CODE" key="..." lang="de" rows="4"> or <div data-busload="CODE" data-key="...">.
// No cookie, no storage, no framework, no inline style; holds its place from the first moment, so nothing below it moves.
(() => {
  const VERSION = "1.0.0";
  const here = document.currentScript?.src || [...document.scripts].map((script) => script.src).find((src) => /\/w\/(v1|1\.\d+\.\d+)\.js/.test(src));
  if (!here || customElements.get("busload-trips")) return;
  const home = new URL("/w/", here);
  const NEAR = "400px";
  const MOST_ROWS = 12;
  const SOON_MS = 50;
  const HOLD = `
    :host { display: block; box-sizing: border-box; overflow: hidden; contain: layout paint; block-size: calc(var(--b-rows) * 5.75rem + 8.25rem); }
    :host([hidden]) { display: none; }
    .wait { block-size: 100%; border-radius: var(--busload-radius, 14px); opacity: .18;
      background: repeating-linear-gradient(transparent 0 5.55rem, var(--busload-line, #4a5069) 0 5.75rem) 0 4.75rem no-repeat, var(--busload-paper, #14182a); }
    .link { display: grid; place-items: center; block-size: 100%; text-align: center; }`;

  // Elements are made, never parsed: hosts may demand trusted types.
  function make(tag, props, part) {
    const element = Object.assign(document.createElement(tag), props);
    element.setAttribute("part", part);
    return element;
  }

  class BusloadTrips extends HTMLElement {
    #hold = new CSSStyleSheet();
    #card;
    #seen = false;

    static observedAttributes = ["event", "key", "lang", "rows"];

    constructor() {
      super();
      this.attachShadow({ mode: "open" }).append(make("div", { className: "wait", ariaHidden: "true" }, "skeleton"));
      this.shadowRoot.adoptedStyleSheets = [this.#hold];
    }

    get rows() {
      return Math.min(MOST_ROWS, Math.max(1, Number(this.getAttribute("rows")) || 4));
    }

    connectedCallback() {
      this.#size();
      this.near = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#load(), { rootMargin: NEAR });
      this.near.observe(this);
      this.watch = new IntersectionObserver((entries) => this.#look(entries.at(-1)), { threshold: [0, 0.5] });
      this.watch.observe(this);
    }

    disconnectedCallback() {
      this.near.disconnect();
      this.watch.disconnect();
      this.#card?.stop();
      this.#card = undefined;
    }

    attributeChangedCallback(name, before) {
      if (before === null || !this.isConnected) return;
      this.#size();
      if (name === "rows") return;
      this.#card?.stop();
      this.#card = undefined;
      this.#load();
    }

    tell(name, detail = {}) {
      return this.dispatchEvent(new CustomEvent(`busload:${name}`, { bubbles: true, composed: true, cancelable: name === "pledge-start", detail }));
    }

    #size() {
      this.#hold.replaceSync(`:host { --b-rows: ${this.rows}; }${HOLD}`);
    }

    #look(entry) {
      this.#card?.[entry.isIntersecting ? "wake" : "rest"]();
      if (this.#seen || entry.intersectionRatio < 0.5) return;
      this.#seen = true;
      this.tell("view", { event: this.getAttribute("event") });
    }

    async #load() {
      this.near.disconnect();
      if (this.#card) return;
      const code = this.getAttribute("event") || "";
      const address = new URL(`events/${encodeURIComponent(code)}.json`, home);
      if (this.getAttribute("key")) address.searchParams.set("key", this.getAttribute("key"));
      const read = async () => {
        const answer = await fetch(address, { credentials: "omit", headers: { accept: "application/json" } });
        if (!answer.ok) throw Object.assign(new Error(`HTTP ${answer.status}`), { status: answer.status });
        return answer.json();
      };
      try {
        const [{ Card }, data] = await Promise.all([import(new URL(`${VERSION}/card.js`, home)), read()]);
        if (!this.isConnected || this.#card || code !== (this.getAttribute("event") || "")) return;
        this.#card = new Card(this, data, read, [this.#hold]);
        this.tell("ready", { event: code, trips: data.trips.length });
      } catch (fault) {
        this.#fail(code, fault);
      }
    }

    // What stands inside the element is the way on when the card cannot be shown, as it is without JavaScript.
    #fail(code, fault) {
      const link = make("a", { href: new URL(`/e/${encodeURIComponent(code)}`, home).href, target: "_top", textContent: "busload" }, "button");
      const slot = document.createElement("slot");
      slot.append(link);
      const holder = make("div", { className: "link" }, "fallback");
      holder.append(slot);
      this.shadowRoot.replaceChildren(holder);
      this.tell("error", { event: code, status: fault.status || 0, message: fault.message });
    }
  }

  function adopt(root) {
    for (const holder of root.querySelectorAll("div[data-busload]:not([data-busload-ready])")) {
      holder.dataset.busloadReady = "";
      const element = document.createElement("busload-trips");
      element.setAttribute("event", holder.dataset.busload);
      for (const name of ["key", "lang", "rows"]) if (holder.dataset[name]) element.setAttribute(name, holder.dataset[name]);
      element.append(...holder.childNodes);
      holder.append(element);
    }
  }

  customElements.define("busload-trips", BusloadTrips);
  adopt(document);
  let due;
  const soon = () => (due ??= setTimeout(() => ((due = undefined), adopt(document)), SOON_MS));
  new MutationObserver(soon).observe(document.documentElement, { childList: true, subtree: true });
})();
