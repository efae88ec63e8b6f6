// Checking a boarding pass without a network. The layout is that of app/domain/manifests/passes.py: 53 bytes and a signature.
const TOKEN = /^[A-Za-z0-9_-]{156}$/;
const BODY = 53;
const LEGS = ["outbound", "return"];
const FALLBACK = "/static/vendor/noble-ed25519/3.2.0/index.js";

export class PassRefused extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export function bytesOf(base64) {
  return Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function uuid(bytes) {
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

async function isSigned(publicKey, signature, body) {
  let key;
  try {
    key = await crypto.subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    // A browser without Ed25519 (before Chromium 137, Safari 17, Firefox 129).
    const { verifyAsync } = await import(FALLBACK);
    return verifyAsync(signature, body, publicKey, { zip215: false });
  }
  return crypto.subtle.verify({ name: "Ed25519" }, key, signature, body);
}

function read(raw) {
  const view = new DataView(raw.buffer);
  return {
    version: raw[0],
    keyId: hex(raw.subarray(1, 5)),
    pledgeId: uuid(raw.subarray(5, 21)),
    dutyId: uuid(raw.subarray(21, 37)),
    person: raw[37],
    leg: LEGS[raw[38]],
    validFrom: view.getUint32(39) * 1000,
    validUntil: view.getUint32(43) * 1000,
    serial: hex(raw.subarray(47, BODY)),
  };
}

// What a genuine pass of this duty states. `sheet` is the duty's sheet, `now` milliseconds. Throws PassRefused.
export async function checkPass(token, sheet, now) {
  if (!TOKEN.test(token)) throw new PassRefused("pass_unreadable", "This is no boarding pass of ours.");
  const raw = bytesOf(token);
  const claims = read(raw);
  const key = sheet.keys.find((one) => one.key_id === claims.keyId);
  if (claims.version !== 1 || !key) throw new PassRefused("pass_key_unknown", "Signed with a key this phone does not know. Check in by name.");
  if (!(await isSigned(bytesOf(key.public_key), raw.subarray(BODY), raw.subarray(0, BODY))))
    throw new PassRefused("pass_invalid", "This is no genuine pass. Check in by name.");
  if (now < claims.validFrom || now > claims.validUntil) throw new PassRefused("pass_out_of_time", "This pass is for another day.");
  if (claims.dutyId !== sheet.duty_id) throw new PassRefused("not_on_this_bus", "This pass is for another bus.");
  if (sheet.revoked_serials.includes(claims.serial)) throw new PassRefused("pass_revoked", "Replaced by a newer pass. Ask for the newest.");
  return claims;
}
