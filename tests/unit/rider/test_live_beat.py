from app.web.live_subjects import BEAT


def test_a_beat_is_no_message() -> None:
    assert BEAT.split() == [b":", b"still", b"here"]
    assert BEAT.endswith(b"\n\n")
