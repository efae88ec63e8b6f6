"""A passkey in software: makes credentials and signs challenges as a phone would, and lies when it is told to."""

import hashlib
import json
import secrets
from typing import Any

import cbor2
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import bytes_to_base64url

UP, UV, AT = 0x01, 0x04, 0x40


class Authenticator(msgspec.Struct, kw_only=True):
    """One credential of one account at one site; `count` is its signature counter."""

    origin: str
    rp_id: str
    credential_id: bytes = msgspec.field(default_factory=lambda: secrets.token_bytes(32))
    key: Any = msgspec.field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    handle: str = ""
    count: int = 0

    def client_data(self, kind: str, challenge: str, origin: str | None) -> bytes:
        told = {"type": f"webauthn.{kind}", "challenge": challenge, "origin": origin or self.origin, "crossOrigin": False}
        return json.dumps(told).encode()

    def state(self, flags: int) -> bytes:
        self.count += 1
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def make(self, options: dict[str, Any], *, origin: str | None = None, verified: bool = True) -> dict[str, Any]:
        """The answer to options for making a credential."""
        self.handle = options["user"]["id"]
        numbers = self.key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + public
        data = self.state(UP | AT | (UV if verified else 0)) + attested
        client_data = self.client_data("create", options["challenge"], origin)
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self.wrapped({"clientDataJSON": bytes_to_base64url(client_data), "attestationObject": bytes_to_base64url(attestation)})

    def sign(self, options: dict[str, Any], *, origin: str | None = None, verified: bool = True, kind: str = "get") -> dict[str, Any]:
        """The answer to options for signing in."""
        data = self.state(UP | (UV if verified else 0))
        client_data = self.client_data(kind, options["challenge"], origin)
        signature = self.key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {"clientDataJSON": client_data, "authenticatorData": data, "signature": signature}
        return self.wrapped({name: bytes_to_base64url(value) for name, value in response.items()} | {"userHandle": self.handle})

    def wrapped(self, response: dict[str, str]) -> dict[str, Any]:
        own = bytes_to_base64url(self.credential_id)
        return {"id": own, "rawId": own, "type": "public-key", "response": response, "clientExtensionResults": {}}
