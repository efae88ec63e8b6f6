// What our maps look like: land and borders from our own outlines, dead mileage dotted, one route colour per operator.
const OUTLINES = new URL("../vendor/outlines/1/", import.meta.url);
const ROUTES = [1, 2, 3, 4, 5, 6];

// Tokens are OKLCH; MapLibre reads rgb: let the browser paint one pixel and read it back.
export function palette() {
  const probe = document.createElement("span");
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  document.body.append(probe);
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = getComputedStyle(probe).color;
    pen.fillRect(0, 0, 1, 1);
    return `rgb(${[...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)]})`;
  };
  const names = ["card", "card-sunk", "ink", "line", "line-strong", "ticket", ...ROUTES.map((n) => `route-${n}`)];
  const colours = Object.fromEntries(names.map((name) => [name, read(name)]));
  probe.remove();
  return colours;
}

export function style(colours, data) {
  const route = ["match", ["get", "route"], ...ROUTES.flatMap((n) => [n, colours[`route-${n}`]]), colours.ink];
  const line = (id, source, paint, filter) => ({ id, type: "line", source, paint, ...(filter && { filter }) });
  const round = { layout: { "line-cap": "round", "line-join": "round" } };
  const lines = (dead) => ["all", ["==", ["geometry-type"], "LineString"], ["==", ["to-boolean", ["get", "dead"]], dead]];
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: String(new URL("land.json", OUTLINES)), attribution: "Natural Earth, US Census" },
      borders: { type: "geojson", data: String(new URL("borders.json", OUTLINES)) },
      data: { type: "geojson", data },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colours["card-sunk"] } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": colours.card } },
      line("coast", "land", { "line-color": colours["line-strong"], "line-width": 1 }),
      line("borders", "borders", { "line-color": colours.line, "line-width": 1.5 }),
      { ...line("dead", "data", { "line-color": route, "line-width": 2.5, "line-dasharray": [1, 2] }, lines(true)), ...round },
      { ...line("casing", "data", { "line-color": colours.card, "line-width": 8 }, lines(false)), ...round },
      { ...line("route", "data", { "line-color": route, "line-width": 5 }, lines(false)), ...round },
      {
        id: "stops",
        type: "circle",
        source: "data",
        filter: ["==", ["geometry-type"], "Point"],
        paint: {
          "circle-radius": ["match", ["get", "kind"], "venue", 10, "bus", 9, 6],
          "circle-color": ["match", ["get", "kind"], "venue", colours.ink, "bus", colours.ticket, "depot", colours["line-strong"], colours.card],
          "circle-stroke-color": ["case", ["has", "route"], route, colours.ink],
          "circle-stroke-width": 3,
        },
      },
    ],
  };
}
