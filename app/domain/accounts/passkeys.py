"""Passkeys (WebAuthn Level 3): what a browser is asked to sign, and whether its answer holds. Origin and rp id come from the base URL."""

import hashlib
import json
import secrets
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from app.core.errors import Invalid, Refusal

CHALLENGE_BYTES = 32
SITE_NAME = "Busload"
VERIFIED = UserVerificationRequirement.REQUIRED  # finger, face or PIN: possession and a second factor in one


class PasskeyRefused(Refusal):
    """The answer of a passkey does not hold: another challenge, origin, credential, signature, or nobody verified."""

    code = "passkey_refused"
    status = 401
    title = "This passkey did not sign you in"


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Whom credentials are made for: `origin` such as https://seats.example.org, `rp_id` its host."""

    origin: str
    rp_id: str


class MadePasskey(msgspec.Struct, frozen=True, kw_only=True):
    """A new credential whose answer held. `sign_count` is where its counter stands; `is_synced`: its maker keeps a copy."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    is_synced: bool


def site_of(base_url: str) -> Site:
    """The site of a base URL."""
    parts = urlsplit(base_url)
    return Site(origin=f"{parts.scheme}://{parts.netloc}", rp_id=parts.hostname or "")


def new_challenge() -> bytes:
    """256 random bits."""
    return secrets.token_bytes(CHALLENGE_BYTES)


def challenge_hash(challenge: bytes) -> bytes:
    """What the database keeps of a challenge."""
    return hashlib.sha256(challenge).digest()


def ask_to_make(site: Site, *, challenge: bytes, account_id: UUID, email: str, has: list[bytes]) -> dict[str, Any]:
    """Options for `navigator.credentials.create`: a discoverable credential, its owner verified; `has` are not made again."""
    options = generate_registration_options(
        rp_id=site.rp_id, rp_name=SITE_NAME, user_id=account_id.bytes, user_name=email, challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(resident_key=ResidentKeyRequirement.REQUIRED, user_verification=VERIFIED),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in has],
    )  # fmt: skip
    made: dict[str, Any] = json.loads(options_to_json(options))
    return made


def ask_to_sign(site: Site, *, challenge: bytes) -> dict[str, Any]:
    """Options for `navigator.credentials.get`: any discoverable credential of this site, its owner verified."""
    options = generate_authentication_options(rp_id=site.rp_id, challenge=challenge, user_verification=VERIFIED)
    made: dict[str, Any] = json.loads(options_to_json(options))
    return made


def challenge_in(credential: dict[str, Any]) -> bytes:
    """The challenge an answer says it was given; Invalid when it is no answer of a browser. Nothing is proved by it yet."""
    try:
        told = json.loads(base64url_to_bytes(credential["response"]["clientDataJSON"]))
        return base64url_to_bytes(told["challenge"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Invalid.field("credential", "This is no answer of a passkey. Load the page again and try once more.") from None


def credential_id_in(credential: dict[str, Any]) -> bytes:
    """The credential an answer says it comes from; Invalid when there is none."""
    try:
        return base64url_to_bytes(credential["rawId"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Invalid.field("credential", "This is no answer of a passkey. Load the page again and try once more.") from None


def user_handle_in(credential: dict[str, Any]) -> bytes | None:
    """The account a discoverable credential names; None without one."""
    try:
        handle = credential["response"].get("userHandle")
        return base64url_to_bytes(handle) if handle else None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def check_made(site: Site, credential: dict[str, Any], *, challenge: bytes) -> MadePasskey:
    """The new credential of an answer that holds, else PasskeyRefused."""
    try:
        verified = verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=site.rp_id, expected_origin=site.origin,
            require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # the library stumbles over hostile bytes in many ways: all are refusals
        raise PasskeyRefused("The passkey's answer did not fit what we asked. Try once more, on this page.") from error
    return MadePasskey(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        is_synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
    )


def check_signed(site: Site, credential: dict[str, Any], *, challenge: bytes, public_key: bytes, sign_count: int) -> int:
    """The credential's new counter when its answer holds, else PasskeyRefused. A counter that does not grow is a copied key."""
    try:
        verified = verify_authentication_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=site.rp_id, expected_origin=site.origin,
            credential_public_key=public_key, credential_current_sign_count=sign_count, require_user_verification=True,
        )  # fmt: skip
    except Exception as error:  # the library stumbles over hostile bytes in many ways: all are refusals
        raise PasskeyRefused("The passkey's answer did not hold. Try once more, or ask for a mail link.") from error
    return verified.new_sign_count
