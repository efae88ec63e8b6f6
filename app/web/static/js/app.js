// Every page's entry: forms, theme, toasts; other parts are fetched only where the page has something for them.
const PARTS = {
  "[data-live-url]": "progress.js",
  "[data-map]": "map.js",
  "[data-copy]": "copy.js",
  "[data-opens], dialog[data-open]": "dialog.js",
  "[data-locate]": "geolocate.js",
  "time[data-zone]": "local-time.js",
  "[data-passkey-sign-in], [data-passkey-make]": "passkeys.js",
};
const started = new WeakSet();
const TOAST_MS = 6000;

function startParts(root) {
  for (const [selector, file] of Object.entries(PARTS)) {
    const fresh = [...root.querySelectorAll(selector)].filter((element) => !started.has(element));
    if (!fresh.length) continue;
    fresh.forEach((element) => started.add(element));
    import(`./${file}`).then((part) => fresh.forEach(part.start));
  }
  root.querySelectorAll("[data-toast]").forEach((toast) => setTimeout(() => toast.remove(), TOAST_MS));
  root.querySelector("[data-focus]")?.focus();
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function startThemeToggle(toggle) {
  const show = () => toggle.setAttribute("aria-pressed", String(isDark()));
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    // The server reads this cookie, so that the next page arrives in the right colours.
    document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
    show();
  });
  show();
}

document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector('meta[name="csrf-token"]')?.content;
  if (token) event.detail.headers["X-CSRF-Token"] = token;
});
// Refusals are pages or fragments too: show what the server says instead of dropping it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  if (xhr.status >= 400 && (xhr.getResponseHeader("content-type") || "").startsWith("text/html")) {
    event.detail.shouldSwap = true;
    event.detail.isError = false;
  }
});
document.addEventListener("htmx:load", (event) => startParts(event.detail.elt.parentElement || document));
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.confirm && !window.confirm(form.dataset.confirm)) event.preventDefault();
  else if (form.dataset.sent) event.preventDefault(); // a double tap is one submission
  else if (form.method === "post" && !form.closest("[hx-post]")) form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});
document.querySelectorAll("[data-theme-toggle]").forEach(startThemeToggle);
startParts(document);
