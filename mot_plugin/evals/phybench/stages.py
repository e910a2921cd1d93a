"""The work of one comparison, in parts that each run in a process of their own (`limited`), for sympy may never end."""

import pickle
import random

import mpmath  # type: ignore[import-untyped]
import sympy  # type: ignore[import-untyped]

from mot_plugin.evals.phybench.formula import read
from mot_plugin.evals.phybench.latex import Unreadable
from mot_plugin.evals.phybench.trees import distance, tree_of

_POINTS, _ENOUGH = 60, 5  # points where formulas are worked out, and real ones at which they must agree
_DIGITS, _AGREE, _NOTHING = 50, 1e-20, 1e-40


def prepare() -> None:
    """Compare two formulas: what sympy loads and makes ready with the first ones takes most of the time of one later."""
    first, second = r"\frac{a}{2} + \sqrt{b}\sin(c)", r"\frac{a}{3} - \sqrt{b}\cos(c)^2"
    same(first, second)
    apart(simplified(first), simplified(second))


def readable(text: str) -> bool:
    """Whether there is a formula in a text."""
    try:
        read(text)
    except Unreadable:
        return False
    return True


def same(reference: str, given: str) -> bool | None:
    """Whether two formulas are equal wherever both are real numbers; None if what is given is no formula.

    Told by their values at points that chance picked once, to 20 digits: formulas that differ do not agree at five of
    them, and equal ones do however they are written, where a proof by simplifying may fail or never end.
    """
    ours = read(reference)
    try:
        theirs = read(given)
    except Unreadable:
        return None
    symbols = sorted(ours.free_symbols | theirs.free_symbols, key=str)
    pair = sympy.lambdify(symbols, [ours, theirs], "mpmath", dummify=True)  # a quantity may be called sqrt
    real: list[bool] = []
    other: list[bool] = []
    chance = random.Random(0)  # noqa: S311 not for secrets
    with mpmath.workdps(_DIGITS):
        for _ in range(_POINTS if symbols else 1):
            try:
                values = [
                    mpmath.mpmathify(value) for value in pair(*(mpmath.mpf(chance.uniform(0.2, 3)) for _ in symbols))
                ]
            except (ZeroDivisionError, OverflowError):
                continue
            if all(mpmath.isfinite(value) for value in values):
                (real if all(abs(mpmath.im(value)) < _NOTHING for value in values) else other).append(_agree(*values))
            if len(real) == _ENOUGH or False in real:
                break
    return bool(real or other) and all(real or other[:_ENOUGH])


def _agree(left: mpmath.mpc, right: mpmath.mpc) -> bool:
    most = max(abs(left), abs(right))
    return bool(most < _NOTHING or abs(left - right) <= _AGREE * most)


def written(text: str) -> bytes:
    """The formula in a text as it is written, pickled."""
    return pickle.dumps(read(text))


def simplified(text: str) -> bytes:
    """The formula in a text, made as simple as sympy can, pickled."""
    return pickle.dumps(sympy.simplify(read(text)))


def apart(reference: bytes, given: bytes) -> tuple[float, int]:
    """The edit distance of two formulas, and the number of nodes of the first."""
    ours, theirs = (tree_of(pickle.loads(formula)) for formula in (reference, given))  # noqa: S301 our own
    return distance(theirs, ours), ours.size
