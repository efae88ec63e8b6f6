// What stands at the points of a map: names, popups, and the box around them all.
const MOST_NAMES = 14;
const RANKS = ["venue", "bus", "stop", "depot"];

export function bounds(maplibre, data) {
  const box = new maplibre.LngLatBounds();
  const add = (part) => (typeof part[0] === "number" ? box.extend(part) : part.forEach(add));
  data.features.forEach((feature) => add(feature.geometry.coordinates));
  return box;
}

// Names are page text over the canvas: no glyphs to fetch, and they follow the reader's font. Crowded maps name the venue only.
export function addNames(maplibre, map, data) {
  const points = data.features.filter(({ geometry, properties }) => geometry.type === "Point" && properties.name);
  const shown = points.length <= MOST_NAMES ? points : points.filter(({ properties }) => properties.kind === "venue" || properties.kind === "bus");
  const names = [];
  for (const { geometry, properties } of shown) {
    const element = Object.assign(document.createElement("span"), { className: "map-name", textContent: properties.name });
    element.dataset.kind = properties.kind;
    new maplibre.Marker({ element, anchor: "left", offset: [14, 0] }).setLngLat(geometry.coordinates).addTo(map);
    ["role", "aria-label", "tabindex"].forEach((name) => element.removeAttribute(name)); // a name, not a button
    names.push(element);
  }
  names.sort((one, other) => RANKS.indexOf(one.dataset.kind) - RANKS.indexOf(other.dataset.kind));
  map.on("idle", () => makeRoom(names));
}

// A name that would lie on a more important one waits until the map is closer.
function makeRoom(names) {
  const taken = [];
  for (const name of names) {
    const box = name.getBoundingClientRect();
    const free = taken.every((other) => box.right < other.left || other.right < box.left || box.bottom < other.top || other.bottom < box.top);
    name.classList.toggle("map-name-waits", !free);
    if (free) taken.push(box);
  }
}

export function addPopups(maplibre, map) {
  map.on("click", "stops", ({ features: [feature], lngLat }) => {
    const text = [feature.properties.name, feature.properties.note].filter(Boolean).join(", ");
    new maplibre.Popup({ offset: 12 }).setLngLat(lngLat).setText(text).addTo(map);
  });
  map.on("mouseenter", "stops", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "stops", () => (map.getCanvas().style.cursor = ""));
}
