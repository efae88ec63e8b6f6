// Maps without a tile server, drawn on the first tap: stops and routes from the page's GeoJSON. Nothing leaves this origin.
import { palette, style } from "./map-style.js";

const LIBRARY = new URL("../vendor/maplibre-gl/5.24.1/", import.meta.url);
const MOST_NAMES = 14;
let library;

function load() {
  library ??= new Promise((resolve, reject) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("maplibre-gl.css", LIBRARY) });
    const script = Object.assign(document.createElement("script"), { src: new URL("maplibre-gl-csp.js", LIBRARY), onerror: reject });
    script.onload = () => {
      window.maplibregl.setWorkerUrl(String(new URL("maplibre-gl-csp-worker.js", LIBRARY)));
      resolve(window.maplibregl);
    };
    document.head.append(sheet, script);
  });
  return library;
}

function bounds(maplibre, data) {
  const box = new maplibre.LngLatBounds();
  const add = (part) => (typeof part[0] === "number" ? box.extend(part) : part.forEach(add));
  data.features.forEach((feature) => add(feature.geometry.coordinates));
  return box;
}

// Names are page text over the canvas: no glyphs to fetch, and they follow the reader's font. Crowded maps name the venue only.
function addNames(maplibre, map, data) {
  const points = data.features.filter(({ geometry, properties }) => geometry.type === "Point" && properties.name);
  const shown = points.length <= MOST_NAMES ? points : points.filter(({ properties }) => properties.kind === "venue" || properties.kind === "bus");
  for (const { geometry, properties } of shown) {
    const element = Object.assign(document.createElement("span"), { className: "map-name", textContent: properties.name });
    element.dataset.kind = properties.kind;
    new maplibre.Marker({ element, anchor: "left", offset: [14, 0] }).setLngLat(geometry.coordinates).addTo(map);
  }
}

function addPopups(maplibre, map) {
  map.on("click", "stops", ({ features: [feature], lngLat }) => {
    const text = [feature.properties.name, feature.properties.note].filter(Boolean).join(", ");
    new maplibre.Popup({ offset: 12 }).setLngLat(lngLat).setText(text).addTo(map);
  });
  map.on("mouseenter", "stops", () => (map.getCanvas().style.cursor = "pointer"));
  map.on("mouseleave", "stops", () => (map.getCanvas().style.cursor = ""));
}

async function draw(holder) {
  const [maplibre, response] = await Promise.all([load(), fetch(holder.dataset.map, { headers: { accept: "application/geo+json" } })]);
  if (!response.ok) throw new Error(`map data: ${response.status}`);
  const data = await response.json();
  const container = Object.assign(document.createElement("div"), { className: "map-canvas" });
  holder.replaceChildren(container);
  holder.dataset.loaded = "";
  const map = new maplibre.Map({
    container,
    style: style(palette(), data),
    attributionControl: { compact: true },
    cooperativeGestures: true,
    dragRotate: false,
    locale: { "Map.Title": holder.dataset.label },
    fadeDuration: 0,
  });
  const box = bounds(maplibre, data);
  if (!box.isEmpty()) map.fitBounds(box, { padding: 48, maxZoom: 11, animate: false });
  map.addControl(new maplibre.NavigationControl({ showCompass: false }));
  addNames(maplibre, map, data);
  addPopups(maplibre, map);
  map.once("idle", () => (holder.dataset.drawn = ""));
}

export function start(holder) {
  const button = holder.querySelector("[data-map-open]");
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    button.textContent = "Drawing…";
    draw(holder).catch(() => {
      button.disabled = false;
      button.textContent = "The map could not be loaded. Try again";
    });
  });
}
