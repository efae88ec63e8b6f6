// Passkeys: making one on the account page, signing in with one on the sign-in page (offered in the address field where browsers can).
const REFUSED = "That did not work. Try once more, or use a mail link.";
let waiting = null; // the quiet request behind the address field, ended before another begins

const toBytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

async function send(path, body) {
  const token = document.querySelector('meta[name="csrf-token"]')?.content || "";
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": token },
    body: JSON.stringify(body),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.detail || REFUSED);
  return told;
}

function answerOf(credential) {
  const given = credential.response;
  const response = { clientDataJSON: toText(given.clientDataJSON) };
  if (given.attestationObject) response.attestationObject = toText(given.attestationObject);
  if (given.authenticatorData) response.authenticatorData = toText(given.authenticatorData);
  if (given.signature) response.signature = toText(given.signature);
  if (given.userHandle) response.userHandle = toText(given.userHandle);
  return { id: credential.id, rawId: toText(credential.rawId), type: credential.type, response, clientExtensionResults: {} };
}

async function make(name) {
  const options = await send("/account/passkeys/options", {});
  options.challenge = toBytes(options.challenge);
  options.user.id = toBytes(options.user.id);
  options.excludeCredentials = (options.excludeCredentials || []).map((one) => ({ ...one, id: toBytes(one.id) }));
  const credential = await navigator.credentials.create({ publicKey: options });
  await send("/account/passkeys", { credential: answerOf(credential), name });
}

async function signIn(next, mediation) {
  const options = await send("/sign-in/passkey/options", {});
  options.challenge = toBytes(options.challenge);
  delete options.allowCredentials;
  waiting?.abort();
  waiting = new AbortController();
  const credential = await navigator.credentials.get({ publicKey: options, mediation, signal: waiting.signal });
  const told = await send("/sign-in/passkey", { credential: answerOf(credential), next });
  location.assign(told.next);
}

function say(note, error) {
  const byPerson = ["NotAllowedError", "AbortError"].includes(error.name); // the person closed the browser's question
  note.textContent = error.name === "InvalidStateError" ? "This device has a passkey here already." : byPerson ? "" : error.message || REFUSED;
}

function startMaking(form) {
  const note = form.querySelector("[data-passkey-note]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const name = form.elements.passkey_name.value.trim();
    if (!name) return form.elements.passkey_name.focus();
    try {
      await make(name);
      location.reload();
    } catch (error) {
      say(note, error);
    }
  });
}

async function startSigningIn(part) {
  const note = part.querySelector("[data-passkey-note]");
  const next = part.dataset.passkeySignIn;
  part.hidden = false;
  part.querySelector("button").addEventListener("click", () => signIn(next, "optional").catch((error) => say(note, error)));
  if (await PublicKeyCredential.isConditionalMediationAvailable?.()) {
    signIn(next, "conditional").catch((error) => say(note, error));
  }
}

export function start(part) {
  if (!window.PublicKeyCredential) return; // the mail link remains
  if ("passkeySignIn" in part.dataset) startSigningIn(part);
  else startMaking(part);
}
