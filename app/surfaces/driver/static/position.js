// Sharing where the bus is, while the duty runs and the driver wants it: every 15 seconds at most, once a minute when standing.
const MOVING_MS = 15000;
const STANDING_MS = 60000;
const MOVED_M = 60;

function metres(a, b) {
  const x = ((b.lon - a.lon) * Math.PI * Math.cos(((a.lat + b.lat) * Math.PI) / 360)) / 180;
  const y = ((b.lat - a.lat) * Math.PI) / 180;
  return Math.hypot(x, y) * 6371000;
}

export function isDue(last, here) {
  if (!last) return true;
  const waited = Date.parse(here.at) - Date.parse(last.at);
  return waited >= STANDING_MS || (waited >= MOVING_MS && metres(last, here) >= MOVED_M);
}

// Calls `onPosition` with {at, lat, lon, accuracy_m}; returns a function that stops. `onTrouble` gets a sentence.
export function watchPosition(onPosition, onTrouble) {
  let last = null;
  let awake = null;
  const stayAwake = async () => {
    awake = document.visibilityState === "visible" ? await navigator.wakeLock?.request("screen").catch(() => null) : null;
  };
  const watch = navigator.geolocation.watchPosition(
    ({ coords, timestamp }) => {
      const here = { at: new Date(timestamp).toISOString(), lat: coords.latitude, lon: coords.longitude, accuracy_m: coords.accuracy };
      if (!isDue(last, here)) return;
      last = here;
      onPosition(here);
    },
    (error) => onTrouble(error.code === error.PERMISSION_DENIED ? "This phone does not allow us its position." : "No position at the moment."),
    { enableHighAccuracy: true, maximumAge: 10000, timeout: 60000 },
  );
  void stayAwake();
  document.addEventListener("visibilitychange", stayAwake);
  return () => {
    navigator.geolocation.clearWatch(watch);
    document.removeEventListener("visibilitychange", stayAwake);
    void awake?.release();
  };
}
