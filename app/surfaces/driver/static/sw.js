// Keeps the driver's page working without signal: pages are asked for first and taken from the cache when nobody answers in
// time; files whose address names their version come from the cache. Data lives in IndexedDB, not here.
const CACHE = "busload-driver-1";
const PATIENCE_MS = 2500;

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (request.mode === "navigate") {
    if (/^\/d\/[^/]+$/.test(url.pathname)) event.respondWith(pageFirst(request));
  } else if (url.pathname.startsWith("/d/static/") || url.pathname.startsWith("/static/vendor/") || (url.pathname.startsWith("/static/") && url.searchParams.has("v"))) {
    event.respondWith(cacheFirst(request));
  } else if (url.pathname.startsWith("/static/")) event.respondWith(newestFirst(request));
});

async function pageFirst(request) {
  const cache = await caches.open(CACHE);
  const answering = fetch(request).then(async (answer) => {
    if (answer.ok) await cache.put(request, answer.clone());
    if (answer.status === 410 || answer.status === 401) await cache.delete(request); // the link is closed: keep nothing
    return answer.status >= 500 ? ((await cache.match(request)) ?? answer) : answer;
  });
  const giveUp = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const kept = await cache.match(request);
  if (!kept) return answering;
  const first = await Promise.race([answering.catch(() => null), giveUp]);
  answering.catch(() => {});
  return first ?? kept;
}

async function cacheFirst(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const answer = await fetch(request);
  if (answer.ok) await cache.put(request, answer.clone());
  return answer;
}

// A file without a version in its address.
async function newestFirst(request) {
  const cache = await caches.open(CACHE);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(request, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}
