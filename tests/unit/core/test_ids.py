"""Ids sort by birth; a simulation may decide what they are made of, and only its own tasks notice."""

import asyncio
from random import Random

from app.core.ids import ids_from, new_id, public_code, random_token


class Counted:
    """Births of a seed."""

    def __init__(self, seed: int) -> None:
        self._dice, self._now_ms = Random(seed), 1_000

    def now_ms(self) -> int:
        self._now_ms += 1
        return self._now_ms

    def bits(self, count: int) -> bytes:
        return self._dice.randbytes(count)


def test_ids_are_version_7_and_sort_by_the_millisecond_of_their_birth() -> None:
    with ids_from(Counted(1)):
        born = [new_id() for _ in range(100)]
    assert born == sorted(born)
    assert {(one.version, one.variant) for one in born} == {(7, "specified in RFC 4122")}
    assert [one.int >> 80 for one in born] == list(range(1_001, 1_101))


def test_the_same_births_make_the_same_ids_and_codes_but_never_the_same_token() -> None:
    def made() -> tuple[object, str, str]:
        with ids_from(Counted(7)):
            return new_id(), public_code(), random_token()

    one, other = made(), made()
    assert one[:2] == other[:2]
    assert one[2] != other[2]


async def test_only_the_tasks_started_within_are_given_other_births() -> None:
    inside, outside = asyncio.Event(), asyncio.Event()

    async def play() -> list[object]:
        with ids_from(Counted(7)):
            inside.set()
            await outside.wait()
            return [new_id(), await asyncio.create_task(later())]

    async def later() -> object:
        return new_id()

    playing = asyncio.create_task(play())
    await inside.wait()
    real = new_id()
    outside.set()
    drawn = await playing
    assert real.int >> 80 > 1_600_000_000_000
    assert [one.int >> 80 for one in drawn] == [1_001, 1_002]  # type: ignore[attr-defined]
