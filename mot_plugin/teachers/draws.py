"""Which samples of a prompt are drawn: all n, or those up to the first that can be kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

Mode = Literal["until_correct", "all"]


@dataclass(frozen=True)
class Draw:
    """One sample with its verdict. `accepted`: it may be kept. `tokens` are those of the completion, None if nobody counted."""

    index: int
    verdict: str
    accepted: bool
    tokens: int | None


async def draw(mode: Mode, n: int, get: Callable[[int], Awaitable[Draw | None]]) -> tuple[list[Draw], bool]:
    """A prompt's draws in the order of their numbers, and whether they are complete; `get` gives None where it may not ask.

    Samples are looked at by number, never by arrival: the first to arrive tend to be the shortest. As they are independent draws
    of one distribution, the first correct one is distributed as a correct one drawn from n at random: docs/method.md.
    """
    if mode == "all":
        everything = await asyncio.gather(*(get(index) for index in range(n)))
        found = [one for one in everything if one is not None]
        return found, len(found) == n
    drawn: list[Draw] = []
    for index in range(n):
        one = await get(index)
        if one is None:
            return drawn, False
        drawn.append(one)
        if one.accepted:
            break
    return drawn, True


def prefix(drawn: list[Draw]) -> list[Draw]:
    """The draws that until_correct would have made of these: up to the first that can be kept."""
    first = next((number for number, one in enumerate(drawn) if one.accepted), len(drawn) - 1)
    return drawn[: first + 1]
