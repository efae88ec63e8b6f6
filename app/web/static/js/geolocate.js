// "Events near me": puts the position, rounded to about 1 km, into the form's lat and lon fields and submits it.
const ROUND = 100;
const WAIT_MS = 10_000;

export function start(button) {
  if (!navigator.geolocation) return;
  const note = document.querySelector(button.dataset.locate);
  button.hidden = false;
  button.addEventListener("click", () => {
    button.disabled = true;
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => {
        const form = button.form;
        form.elements.lat.value = Math.round(coords.latitude * ROUND) / ROUND;
        form.elements.lon.value = Math.round(coords.longitude * ROUND) / ROUND;
        form.requestSubmit();
      },
      () => {
        button.disabled = false;
        if (note) note.textContent = "Your position could not be had. Search by town instead.";
      },
      { timeout: WAIT_MS, maximumAge: 600_000 },
    );
  });
}
