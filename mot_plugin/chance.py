"""Random orders that depend on a key alone: not on what was drawn before, the machine or the release of Python."""

import hashlib
import random


def shuffled(count: int, *key: object) -> list[int]:
    """The numbers 0 to `count` - 1 in the random order that belongs to `key`.

    Numbers are sorted by draws of `Random.random`, the one method whose sequence Python promises to keep.
    """
    digest = hashlib.sha256("|".join(map(str, key)).encode()).digest()
    rng = random.Random(int.from_bytes(digest))  # noqa: S311  (chance, not secrecy)
    return sorted(range(count), key=lambda _: rng.random())
