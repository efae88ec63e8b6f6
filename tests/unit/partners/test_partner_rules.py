from datetime import timedelta
from uuid import UUID

import pytest

from app.core.errors import Invalid
from app.domain.partners.model import (
    MAX_TRIES,
    check_endpoint_url,
    message_id,
    read_origin,
    read_origins,
    refused_address,
    sign,
    wait_after,
)

SUBJECT = UUID("0190a0b0-0000-7000-8000-000000000001")


def test_a_signature_is_the_one_every_standard_webhooks_library_makes() -> None:
    # the vector that the specification's reference libraries are tested with
    signature = sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_id_is_stable_and_holds_no_full_stop() -> None:
    assert message_id("trip.confirmed", SUBJECT) == message_id("trip.confirmed", SUBJECT)
    assert "." not in message_id("trip.confirmed", SUBJECT, "7")
    assert len({message_id("a", SUBJECT), message_id("b", SUBJECT), message_id("a", SUBJECT, "1")}) == 3


def test_ten_tries_spread_over_75_hours() -> None:
    waits = [wait_after(tries) for tries in range(1, MAX_TRIES + 1)]
    assert waits[-1] is None
    total = sum((wait for wait in waits if wait), timedelta())
    assert (MAX_TRIES, total) == (10, timedelta(hours=75, minutes=35, seconds=5))
    assert waits[:-1] == sorted(wait for wait in waits if wait)


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://Example.org", "https://example.org"),
        (" https://example.org/ ", "https://example.org"),
        ("https://example.org:443", "https://example.org"),
        ("https://example.org:8443", "https://example.org:8443"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
    ],
)
def test_an_origin_is_kept_as_browsers_send_it(typed: str, origin: str) -> None:
    assert read_origin(typed) == origin


@pytest.mark.parametrize(
    "typed",
    [
        "example.org",
        "https://example.org/tickets",
        "https://*.example.org",
        "https://example.org?x",
        "https://me@example.org",
        "http://example.org",
        "https://",
        "null",
        "https://exa mple.org",
        "https://example.org:notaport",
        "javascript://example.org",
        "https://bücher.example",
        "https://example.org; script-src *",
    ],
)
def test_what_is_no_origin_is_refused(typed: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_origin(typed)
    assert refused.value.code == "bad_origin"


def test_a_key_has_some_origins_and_each_once() -> None:
    assert read_origins(["https://a.example", "https://A.example/", ""]) == ["https://a.example"]
    for wrong in ([], [""], [f"https://a{index}.example" for index in range(21)]):
        with pytest.raises(Invalid):
            read_origins(wrong)


INWARD = [
    "127.0.0.1", "127.8.8.8", "::1", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "::", "fe80::1",
    "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::a00:1", "2002:a00:1::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "224.0.0.1", "ff02::1", "255.255.255.255", "192.0.2.1", "240.0.0.1", "2001:db8::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INWARD)
def test_no_address_inside_a_network_is_sent_to(address: str) -> None:
    assert refused_address(address, loopback_allowed=False)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:93.184.215.14"])
def test_public_addresses_are_sent_to(address: str) -> None:
    assert refused_address(address, loopback_allowed=False) == ""


def test_a_demo_may_reach_this_machine_and_nothing_else_inside() -> None:
    assert [refused_address(address, loopback_allowed=True) for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost")] == [
        ""
    ] * 4
    assert refused_address("10.0.0.1", loopback_allowed=True)
    assert refused_address("169.254.169.254", loopback_allowed=True)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/x", "http://example.org/x", "https://", "https://me:pw@example.org/", "https://example.org/#a", "https://10.0.0.1/",
        "https://[::1]/", "https://localhost/", "https://169.254.169.254/latest/meta-data", "https://example.org:99999/", "https://exämple.org/",
        "https://example.org/\nx", "https://example.org/" + "a" * 2048, "not an address",
    ],
)  # fmt: skip
def test_an_endpoint_is_a_plain_https_address_on_the_public_internet(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_endpoint_url(url, loopback_allowed=False)
    assert refused.value.code == "bad_webhook_url"


def test_a_demo_endpoint_may_be_plain_http_on_this_machine_only() -> None:
    assert check_endpoint_url("http://127.0.0.1:8080/hook", loopback_allowed=True) == "http://127.0.0.1:8080/hook"
    assert check_endpoint_url("https://example.org/hook", loopback_allowed=False) == "https://example.org/hook"
    with pytest.raises(Invalid):
        check_endpoint_url("http://example.org/hook", loopback_allowed=True)
