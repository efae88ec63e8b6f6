// Clock times are those of the place. A reader whose own clock differs gets theirs as a tooltip, and inline where data-local asks.
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
const OPTIONS = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

function written(moment, timeZone) {
  return new Intl.DateTimeFormat(document.documentElement.lang || "en", { ...OPTIONS, timeZone }).format(moment);
}

export function start(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.valueOf()) || written(moment, element.dataset.zone) === written(moment, here)) return;
  const yours = `${written(moment, here)} on your clock`;
  element.title = yours;
  if (!("local" in element.dataset)) return;
  const note = document.createElement("small");
  note.className = "soft";
  note.textContent = ` (${yours})`;
  element.append(note);
}
