// Talking to the server when it can be reached. What was done on the phone waits in order and is sent as often as it takes:
// every item carries its own id, so sending it twice is sending it once.
const BATCH = 100;
const CALL_MS = 12000;
const GONE = new Set(["driver_link_expired", "driver_link_revoked", "driver_link_unknown"]);

export class LinkClosed extends Error {
  constructor(problem) {
    super(problem.detail);
    this.title = problem.title;
    this.code = problem.code;
  }
}

export class Refused extends Error {
  constructor(problem, status) {
    super(problem.detail ?? "The server refused this.");
    this.code = problem.code ?? "refused";
    this.status = status;
  }
}

export class NoSignal extends Error {}

async function call(token, path, body) {
  let answer;
  try {
    answer = await fetch(`/api/driver/${path}`, {
      method: body ? "POST" : "GET",
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      body: body && JSON.stringify(body),
      cache: "no-store",
      keepalive: Boolean(body), // a check-in still arrives when the page is closed meanwhile
      credentials: "omit",
      signal: AbortSignal.timeout(CALL_MS),
    });
  } catch {
    throw new NoSignal("No signal");
  }
  if (answer.ok) {
    return answer.json().catch(() => {
      throw new NoSignal("The signal went in the middle of the answer"); // what was sent is sent again, under the same ids
    });
  }
  if (answer.status >= 500 || answer.status === 429) throw new NoSignal("The server does not answer");
  const problem = await answer.json().catch(() => ({}));
  if (GONE.has(problem.code)) throw new LinkClosed(problem);
  throw new Refused(problem, answer.status);
}

export const fetchSheet = (token) => call(token, "manifest");

// The next run of equal kind at the head of the queue: check-ins and positions go in batches, the rest one by one.
function head(items) {
  const kind = items[0].kind;
  const single = kind !== "check-ins" && kind !== "positions";
  const other = items.findIndex((item) => item.kind !== kind);
  return items.slice(0, Math.min(single ? 1 : BATCH, other < 0 ? items.length : other));
}

const BODIES = {
  "check-ins": (items) => ({ check_ins: items.map((item) => item.body) }),
  positions: (items) => ({ positions: items.map((item) => item.body) }),
  incidents: ([item]) => item.body,
  departure: () => ({}),
  end: () => ({}),
};

// A check-in by name may be taken back for a moment; until then it stays here, unless the bus has left meanwhile or the
// phone goes back into a pocket.
async function ready(store) {
  const items = await store.waiting();
  if (document.visibilityState === "hidden") return items;
  const left = items.findLastIndex((item) => item.kind === "departure" || item.kind === "end");
  return items.filter((item, index) => index < left || !item.heldUntil || item.heldUntil <= Date.now());
}

// Sends all that waits; returns what the server refused, [{item, code, detail}]. Throws NoSignal or LinkClosed, and keeps the rest.
export async function sendWaiting(token, store) {
  const refused = [];
  for (let items = await ready(store); items.length > 0; items = await ready(store)) {
    const batch = head(items);
    try {
      const answer = await call(token, batch[0].kind, BODIES[batch[0].kind](batch));
      answer.outcomes?.forEach((outcome, index) => {
        if (outcome.status === "refused") refused.push({ item: batch[index], code: outcome.code, detail: outcome.detail });
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (batch.length > 1) {
        // One of them spoils the batch: send them alone, so that the others arrive.
        for (const item of batch) refused.push(...(await sendAlone(token, item)));
      } else refused.push({ item: batch[0], code: error.code, detail: error.message });
    }
    await store.drop(batch);
  }
  return refused;
}

async function sendAlone(token, item) {
  try {
    const answer = await call(token, item.kind, BODIES[item.kind]([item]));
    const [outcome] = answer.outcomes ?? [];
    return outcome?.status === "refused" ? [{ item, code: outcome.code, detail: outcome.detail }] : [];
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return [{ item, code: error.code, detail: error.message }];
  }
}
