"""Buckets give what they hold, refill evenly, and are not an attacker's memory to fill."""

from app.web.buckets import Buckets
from app.web.rate_limits import network_of
from app.web.rate_policies import ALL, CALLERS, FORWARDS, KEYS, OWN_DATA, PASSKEY, SIGN_IN, WRITES, policies_for


def test_a_bucket_gives_its_quota_at_once_and_then_refills_evenly() -> None:
    buckets = Buckets(quota=5, window_s=10)
    assert [buckets.take(b"a", 100.0)[0] for _ in range(6)] == [4, 3, 2, 1, 0, -1]
    assert buckets.take(b"a", 100.0) == (-1, 2)
    assert buckets.take(b"b", 100.0)[0] == 4, "another one's is full"
    assert [buckets.take(b"a", 104.0)[0] for _ in range(3)] == [1, 0, -1], "two tokens in four seconds"
    assert buckets.take(b"a", 10_000.0)[0] == 4, "never more than the quota"


def test_the_least_recently_seen_are_forgotten() -> None:
    buckets = Buckets(quota=2, window_s=10, limit=3)
    for who in (b"a", b"b", b"c", b"a", b"d"):
        buckets.take(who, 0.0)
    assert len(buckets) == 3
    assert buckets.take(b"a", 0.0)[0] == -1, "still known"
    assert buckets.take(b"b", 0.0)[0] == 1, "forgotten"


def test_one_subscriber_is_one_client() -> None:
    assert network_of("203.0.113.9") == network_of("::ffff:203.0.113.9") == "203.0.113.9"
    assert network_of("2001:db8:1:2::1") == network_of("2001:db8:1:2:ffff::9") != network_of("2001:db8:1:3::1")


def test_each_route_has_its_policies() -> None:
    pledge = policies_for("POST", "/api/trips/{trip_id}/pledges")
    assert pledge == (ALL, WRITES, CALLERS)
    assert not any(policy.shared for policy in pledge), "the hot route pays no round trip"
    assert policies_for("GET", "/trips/{code}") == (ALL,)
    assert policies_for("GET", "/static/{file_path}") == ()
    assert policies_for("POST", "/api/stripe/webhook") == (ALL,)
    for route, policy in {
        "POST /sign-in": SIGN_IN,
        "POST /sign-in/use": SIGN_IN,
        "POST /sign-in/passkey": PASSKEY,
        "POST /sign-in/passkey/options": PASSKEY,
        "POST /account/passkeys": KEYS,
        "POST /account/erase": OWN_DATA,
        "GET /p/{token}/export.json": OWN_DATA,
        "POST /api/partner/keys": KEYS,
        "POST /partner/{code}/webhooks": KEYS,
        "POST /p/{token}/transfer": FORWARDS,
        "POST /api/trips/{trip_id}/waitlist": FORWARDS,
    }.items():
        assert policies_for(*route.split(" "))[-1] is policy, route
        assert policy.shared
