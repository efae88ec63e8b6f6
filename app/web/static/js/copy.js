// Copy buttons: data-copy names the element whose text is copied.
const BACK_MS = 2000;

export function start(button) {
  if (!navigator.clipboard) return; // not a secure context: the text can still be selected
  const label = button.textContent;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), BACK_MS);
  });
}
