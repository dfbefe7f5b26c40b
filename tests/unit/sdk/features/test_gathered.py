"""Many requests at once: how many, in which order their results come, and what an error does."""

import asyncio

import pytest
from podhatch.client.objects import AT_ONCE, gathered


async def test_so_many_at_once_and_results_in_order() -> None:
    under_way: list[int] = []
    most = 0

    async def request(number: int) -> int:
        nonlocal most
        under_way.append(number)
        most = max(most, len(under_way))
        for _ in range(number % 3 + 1):
            await asyncio.sleep(0)
        under_way.remove(number)
        return number

    assert await gathered(request(number) for number in range(35)) == list(range(35))
    assert most == AT_ONCE


async def test_the_first_error_is_raised_when_all_have_ended() -> None:
    ended: list[int] = []

    async def request(number: int) -> None:
        await asyncio.sleep(0)
        ended.append(number)
        if number in (3, 5):
            raise ValueError(number)

    with pytest.raises(ValueError, match="3"):
        await gathered(request(number) for number in range(20))
    assert ended == list(range(20))
