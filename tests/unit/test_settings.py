"""Every missing or wrong setting is told in one message that says what to set."""

import pytest

from app.settings import REQUIRED, SettingsFaulty, read_settings

GOOD = {
    "DATABASE_URL": "postgresql://busload@db/busload",
    "STRIPE_API_KEY": "sk_test_x",
    "STRIPE_WEBHOOK_SECRET": "whsec_x",
    "BUSLOAD_SECRET": "x" * 32,
    "BUSLOAD_BASE_URL": "https://seats.example.org/",
    "BUSLOAD_SMTP_URL": "smtp://mail.example.org:587",
}


def test_a_complete_environment_is_taken() -> None:
    settings = read_settings(GOOD)
    assert settings.base_url == "https://seats.example.org"
    assert settings.mail_from == "Busload <busload@seats.example.org>"
    assert settings.stripe_base is None
    assert (settings.stripe_account_per_s, settings.stripe_endpoint_per_s) == (100.0, 25.0)


def test_an_empty_environment_names_all_six_at_once() -> None:
    with pytest.raises(SettingsFaulty) as faulty:
        read_settings({})
    assert all(f"{name} is not set. Set it to" in str(faulty.value) for name in REQUIRED)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("DATABASE_URL", "mysql://db/x", "no postgresql:// address"),
        ("STRIPE_API_KEY", "pk_live_x", "no Stripe secret key"),
        ("STRIPE_WEBHOOK_SECRET", "secret", "no webhook signing secret"),
        ("BUSLOAD_SECRET", "short", "needs at least 32"),
        ("BUSLOAD_BASE_URL", "seats.example.org", "no http(s) address"),
        ("BUSLOAD_BASE_URL", "http://seats.example.org", "must be https://"),
        ("BUSLOAD_STRIPE_ACCOUNT_PER_S", "2.5", "no whole number from 4 on"),
        ("BUSLOAD_SMTP_URL", "mail.example.org", "no smtp:// or smtps:// address"),
    ],
)
def test_a_wrong_one_is_named_with_its_fault(name: str, value: str, fault: str) -> None:
    with pytest.raises(SettingsFaulty) as faulty:
        read_settings(GOOD | {name: value})
    assert f"{name} " in str(faulty.value)
    assert fault in str(faulty.value)
    assert str(faulty.value).count("Set it to") == 1
