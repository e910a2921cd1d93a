"""The merge methods calculated from their definitions, in float64, tensor by tensor. Written from the methods' papers.

`parts` are the branches' tensors, `start` the tensor of the student that they were trained from, all of one shape.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def mean(parts: list[Array], weights: list[float] | None = None) -> Array:
    return np.average(np.stack(parts), axis=0, weights=weights)


def updates(parts: list[Array], start: Array) -> Array:
    """Differences from the start, rounded to float32 once, as everybody who subtracts two float32 gets them."""
    return np.stack([np.float32(part) - np.float32(start) for part in parts]).astype(np.float64)


def largest(values: Array, share: float) -> NDArray[np.bool_]:
    """Where the `share` of elements with the largest magnitudes are; the cut must not go through equal ones."""
    sizes = np.sort(np.abs(values).ravel())[::-1]
    kept = max(1, int(share * sizes.size))
    assert kept == sizes.size or sizes[kept - 1] > sizes[kept], "equal magnitudes on both sides of the cut"
    return np.abs(values) >= sizes[kept - 1]


def agreeing(changes: Array) -> NDArray[np.bool_]:
    """Which changes go the way of their sum; none that is zero."""
    up = changes.sum(0) >= 0
    return np.where(up, changes > 0, changes < 0)


def mean_of(changes: Array, chosen: NDArray[np.bool_]) -> Array:
    """Per element the mean of the chosen changes, 0 where none is."""
    return np.where(chosen, changes, 0).sum(0) / np.maximum(chosen.sum(0), 1)


def ties(parts: list[Array], start: Array, density: float) -> Array:
    """Trim, elect a sign, average what agrees (arXiv 2306.01708, section 4)."""
    kept = np.stack([np.where(largest(change, density), change, 0) for change in updates(parts, start)])
    return start + mean_of(kept, agreeing(kept))


def task_arithmetic(parts: list[Array], start: Array, scale: float) -> Array:
    """The scaled sum of all task vectors (arXiv 2212.04089)."""
    return start + scale * sum(part - start for part in parts)


def outer_step(parts: list[Array], start: Array, rate: float) -> Array:
    """Gradient descent on the pseudo-gradient `start - mean` (arXiv 2311.08105, algorithm 1, plain SGD outside)."""
    return start - rate * (start - mean(parts))


def sce(parts: list[Array], start: Array, share: float, *, energy: bool = True) -> tuple[Array, NDArray[np.bool_]]:
    """Select by variance, calculate weights by energy, erase the minority's sign (arXiv 2408.07990).

    Also where the answer is certain: not at elements whose variance is the cut's up to float32.
    """
    changes, certain = updates(parts, start), np.ones(start.shape, bool)
    if share < 1:
        variance = changes.var(0)
        ranked = np.sort(variance[variance > 0])[::-1]
        count = int(share * ranked.size)
        cut = ranked[count - 1] if count else np.inf
        changes = np.where(variance >= cut, changes, 0)
        certain = np.abs(variance / cut - 1) > 1e-4
    squares = (changes**2).reshape(len(parts), -1).mean(1)
    weights = (squares / squares.sum() if energy else np.full(len(parts), 1 / len(parts))).reshape(
        -1, *[1] * start.ndim
    )
    voting = agreeing(changes)
    total = np.where(voting, weights, 0).sum(0)
    erased = np.where(voting, weights * changes, 0).sum(0)
    return start + np.divide(erased, total, out=np.zeros_like(start), where=total > 0), certain


def angle(one: Array, other: Array) -> float:
    """Between two tensors taken as vectors; exact for small angles too, where the cosine is not."""
    a, b = one.ravel() / np.linalg.norm(one), other.ravel() / np.linalg.norm(other)
    return 2 * float(np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def arc(one: Array, other: Array, t: float) -> Array:
    """The point at `t` of the way from one vector to the other along the arc (Shoemake 1985)."""
    theta = angle(one, other)
    return (np.sin((1 - t) * theta) * one + np.sin(t * theta) * other) / np.sin(theta)


def slerp(one: Array, other: Array, t: float) -> Array:
    """Along the arc, along the chord where the cosine is above 0.9995."""
    return mean([one, other], [1 - t, t]) if np.cos(angle(one, other)) > 0.9995 else arc(one, other, t)


def nuslerp(parts: list[Array], start: Array) -> Array:
    return start + arc(parts[0] - start, parts[1] - start, 0.5)


def karcher(parts: list[Array]) -> Array:
    """The point on the sphere with the least sum of squared angles to all parts, times their mean length.

    Found by descending from the first part until nothing changes, at another pace and from another place than mergekit.
    """
    directions = [part / np.linalg.norm(part) for part in parts]
    point = directions[0]
    for _ in range(1000):
        step = np.zeros_like(point)
        for direction in directions:
            across = direction - np.vdot(point, direction) * point
            if np.linalg.norm(across) > 0:
                step += angle(point, direction) * across / np.linalg.norm(across) / len(parts)
        size = np.linalg.norm(step)
        if size < 1e-15:
            break
        point = np.cos(size / 2) * point + np.sin(size / 2) * step / size
        point /= np.linalg.norm(point)
    return point * np.mean([np.linalg.norm(part) for part in parts])


def multislerp(parts: list[Array]) -> Array:
    """The normalised mean of the directions, as long as the parts are on average; to first order it is on the sphere."""
    total = sum(part / np.linalg.norm(part) for part in parts)
    return total / np.linalg.norm(total) * np.mean([np.linalg.norm(part) for part in parts])


def stock_ratio(parts: list[Array], start: Array) -> float:
    """How far to go towards the mean: Kc / (1 + (K - 1) c), c the mean cosine of the updates (arXiv 2403.19522, eq. 7)."""
    changes = [part - start for part in parts]
    count = len(changes)
    cosines = [np.cos(angle(changes[i], changes[j])) for i in range(count) for j in range(i)]
    c = float(np.mean(cosines))
    return count * c / (1 + (count - 1) * c)


def model_stock(parts: list[Array], start: Array) -> Array:
    ratio = stock_ratio(parts, start)
    return ratio * mean(parts) + (1 - ratio) * start
