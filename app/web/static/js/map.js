// Maps without a tile server, drawn on the first tap: stops and routes from the page's GeoJSON. Nothing leaves this origin.
import { addNames, addPopups, bounds } from "./map-points.js";
import { palette, style } from "./map-style.js";

const LIBRARY = new URL("../vendor/maplibre-gl/5.24.1/", import.meta.url);
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
