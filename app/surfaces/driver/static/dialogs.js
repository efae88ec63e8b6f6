// Sheets that rise from the bottom, where the thumb is: navigation, incident, search by name, scanning.
import { h } from "./view.js";

function sheet(title, className, ...content) {
  const dialog = h(
    "dialog",
    { class: `duty-sheet ${className}`, "aria-label": title },
    h("div", { class: "duty-sheet-head" }, h("h2", {}, title), h("button", { class: "button duty-close", type: "button", onclick: () => dialog.close() }, "Close")),
    ...content,
  );
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

export const showRoutes = (place, links) => sheet(`To ${place.name}`, "duty-sheet-routes", links);

const INCIDENTS = [
  ["15 min late", { kind: "late", delay_min: 15 }],
  ["30 min late", { kind: "late", delay_min: 30 }],
  ["60 min late", { kind: "late", delay_min: 60 }],
  ["Breakdown", { kind: "breakdown", delay_min: 0 }],
  ["Accident", { kind: "accident", delay_min: 0 }],
  ["Something else", { kind: "other", delay_min: 0 }],
];

export function showIncident(phone, report) {
  const dialog = sheet(
    "Tell everyone on this bus",
    "duty-sheet-incident",
    h("p", {}, "One tap tells all riders of this bus and your operator. In an emergency call 112 or 911 first."),
    h("div", { class: "duty-choices" }, INCIDENTS.map(([words, what]) => h("button", { class: "button button-large", type: "button", "data-incident": what.kind, onclick: () => (dialog.close(), report(what, words)) }, words))),
    h("a", { class: "button button-large duty-wide", href: `tel:${phone.replaceAll(" ", "")}` }, `Call dispatch ${phone.replaceAll(" ", "\u00a0")}`),
  );
  return dialog;
}

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

// `rows(filter)` gives the list of parties that pass the filter; it is asked again after each letter and each tap.
export function showSearch(rows) {
  const list = h("div", { class: "duty-found" });
  const input = h("input", { class: "input", type: "search", "aria-label": "Name or code", placeholder: "Name or code", autocomplete: "off", autocapitalize: "words" });
  const refresh = () => {
    const wanted = plain(input.value.trim());
    list.replaceChildren(rows((party) => plain(`${party.name} ${party.public_code}`).includes(wanted)));
  };
  input.addEventListener("input", refresh);
  const dialog = sheet("Find a name", "duty-sheet-search", input, list);
  refresh();
  input.focus();
  return { dialog, refresh };
}

export function showScanner(start, onClose) {
  const video = h("video", { class: "duty-video", playsinline: true, muted: true });
  const verdict = h("p", { class: "duty-verdict", role: "status", "data-tone": "wait" }, "Hold a pass before the camera");
  const dialog = sheet("Scan passes", "duty-sheet-scan", video, verdict);
  let stop = null;
  start(video).then(
    (stopper) => (dialog.open ? (stop = stopper) : stopper()),
    () => say("bad", "No camera", "Allow the camera, or find people by name."),
  );
  dialog.addEventListener("close", () => {
    stop?.();
    onClose();
  });
  function say(tone, title, text) {
    verdict.dataset.tone = tone;
    verdict.replaceChildren(h("strong", {}, title), " ", text);
    navigator.vibrate?.(tone === "good" ? 60 : [120, 60, 120]);
  }
  return { dialog, say };
}
