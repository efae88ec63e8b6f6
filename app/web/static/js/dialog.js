// Native dialogs: data-opens="id" opens one, data-closes inside closes it, a tap on the backdrop too.
function prepare(dialog) {
  if (dialog.dataset.ready) return;
  dialog.dataset.ready = "yes";
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("[data-closes]")) dialog.close();
  });
}

export function start(element) {
  if (element instanceof HTMLDialogElement) {
    prepare(element);
    element.showModal();
    return;
  }
  const dialog = document.getElementById(element.dataset.opens);
  prepare(dialog);
  element.setAttribute("aria-haspopup", "dialog");
  element.addEventListener("click", (event) => {
    event.preventDefault();
    dialog.showModal();
  });
}
