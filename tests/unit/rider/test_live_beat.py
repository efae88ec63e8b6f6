from app.surfaces.rider.api import BEAT


def test_a_beat_is_no_message() -> None:
    assert BEAT.encode().split() == [b":", b"still", b"here"]
