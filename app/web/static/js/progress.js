// "18 of 25, 7 to go", kept true by server-sent events: JSON {id, state, secured, minimum, cap}, the stream the widget reads too.
// Only what is on screen listens, three streams at most: a browser grants one host six connections over HTTP/1.1.
const MOST_STREAMS = 3;
const TIPPED = new Set(["confirmed", "allocated", "departed", "completed"]);
const SETTLED = { allocated: "Bus assigned", departed: "On the road", completed: "Completed" };
const ENDED = { expired: "Did not run", cancelled: "Cancelled" };
const sources = new Map();
const visible = new Set();

function words(trip) {
  const tipped = TIPPED.has(trip.state);
  const settled = SETTLED[trip.state];
  const goal = settled ? Math.max(1, trip.secured) : tipped ? trip.cap : trip.minimum;
  const left = trip.cap - trip.secured;
  let togo = ENDED[trip.state] || `${Math.max(0, trip.minimum - trip.secured)} to go`;
  if (settled) togo = settled;
  else if (tipped) togo = left > 0 ? `Confirmed, ${left} ${left === 1 ? "place" : "places"} left` : "Full";
  return { goal, togo };
}

function put(element, name, text) {
  const target = element.querySelector(`[data-live="${name}"]`);
  if (!target || target.textContent === String(text)) return;
  target.textContent = text;
  if (name !== "secured") return;
  target.removeAttribute("data-bump");
  requestAnimationFrame(() => target.setAttribute("data-bump", ""));
}

export function show(element, trip) {
  if (element.dataset.trip && element.dataset.trip !== trip.id) return;
  const { goal, togo } = words(trip);
  put(element, "secured", trip.secured);
  put(element, "goal", goal);
  put(element, "togo", togo);
  put(element, "announce", `${trip.secured} of ${goal}. ${togo}.`);
  const meter = element.querySelector("progress");
  meter.max = goal;
  meter.value = Math.min(trip.secured, goal);
  if (trip.state === element.dataset.state) return;
  element.dataset.state = trip.state;
  // What else depends on the state listens: hx-trigger="busload:state from:body".
  element.dispatchEvent(new CustomEvent("busload:state", { bubbles: true, detail: trip }));
}

function open(url) {
  const source = new EventSource(url);
  const hear = (event) => {
    const trip = JSON.parse(event.data);
    visible.forEach((element) => element.dataset.liveUrl === url && show(element, trip));
  };
  source.addEventListener("message", hear);
  source.addEventListener("trip", hear);
  sources.set(url, source);
}

function balance() {
  const wanted = document.hidden ? [] : [...new Set([...visible].map((element) => element.dataset.liveUrl))].slice(0, MOST_STREAMS);
  for (const [url, source] of sources) {
    if (wanted.includes(url) && source.readyState !== EventSource.CLOSED) continue;
    source.close();
    sources.delete(url);
  }
  wanted.filter((url) => !sources.has(url)).forEach(open);
}

const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) visible[isIntersecting && target.isConnected ? "add" : "delete"](target);
  balance();
});

export const start = (element) => watcher.observe(element);
document.addEventListener("visibilitychange", balance);
