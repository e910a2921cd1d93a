"""Formulas as trees, and the edit distance between two trees with cheap moves of whole branches (PHYBench, arXiv 2504.16074).

Zhang and Shasha's distance between ordered trees (SIAM J. Comput. 18, 1989), every insertion, removal or change of a node
costing 1, extended by the insertion or removal of a whole branch of s nodes at min(s, 0.6 (s - 5) + 5).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import sympy  # type: ignore[import-untyped]

_WHOLE, _SLOPE = 5, 0.6  # branches of more nodes than this cost this much for each further node


@dataclass(frozen=True)
class Tree:
    """A node and its branches. `label` says kind and name, so that the quantity `pi_1` is not the number pi."""

    label: str
    branches: tuple["Tree", ...] = ()

    @cached_property
    def size(self) -> int:
        """How many nodes it has."""
        return 1 + sum(branch.size for branch in self.branches)


def tree_of(value: sympy.Basic) -> Tree:
    """The tree of a formula: numbers and quantities are leaves, sums, products, powers and functions are nodes.

    The order of branches is sympy's own, which the names of quantities decide and nothing else.
    """
    if isinstance(value, sympy.Symbol):
        return Tree(f"symbol {value.name}")
    if not value.args:
        return Tree(f"number {value}")
    return Tree(f"operator {value.func.__name__}", tuple(tree_of(part) for part in value.args))


def distance(left: Tree, right: Tree) -> float:
    """The least cost of turning one tree into the other; 0 for equal trees, and the same in both directions."""
    lefts, rights = _Ordered(left), _Ordered(right)
    trees = [[0.0] * len(rights.nodes) for _ in lefts.nodes]
    for i in lefts.keys:
        for j in rights.keys:
            _fill(trees, lefts, rights, i, j)
    return trees[-1][-1]


class _Ordered:
    """The nodes of a tree, branches before what they grow from.

    `first[i]` is where the branch that ends with node i begins; `keys` are the nodes that have a neighbour on their left,
    and the root: Zhang and Shasha's key roots.
    """

    def __init__(self, tree: Tree) -> None:
        self.nodes = list(_branches_first(tree))
        self.first = [index + 1 - node.size for index, node in enumerate(self.nodes)]
        self.keys = sorted({first: index for index, first in enumerate(self.first)}.values())


def _branches_first(tree: Tree) -> Iterator[Tree]:
    for branch in tree.branches:
        yield from _branches_first(branch)
    yield tree


def _branch(tree: Tree) -> float:
    """What inserting or removing it as a whole costs."""
    return min(float(tree.size), _SLOPE * (tree.size - _WHOLE) + _WHOLE)


def _fill(trees: list[list[float]], lefts: _Ordered, rights: _Ordered, i: int, j: int) -> None:
    """Fill in the distances of all pairs of branches that begin where those of the nodes i and j do.

    `forests[a][b]` is the distance of what lies between that beginning and the a-th and b-th node behind it.
    """
    top, left = lefts.first[i], rights.first[j]
    forests = [[0.0] * (j - left + 2) for _ in range(i - top + 2)]
    for a in range(1, i - top + 2):
        forests[a][0] = forests[lefts.first[top + a - 1] - top][0] + _branch(lefts.nodes[top + a - 1])
    for b in range(1, j - left + 2):
        forests[0][b] = forests[0][rights.first[left + b - 1] - left] + _branch(rights.nodes[left + b - 1])
    for a in range(1, i - top + 2):
        ours, our_first = lefts.nodes[top + a - 1], lefts.first[top + a - 1] - top
        for b in range(1, j - left + 2):
            theirs, their_first = rights.nodes[left + b - 1], rights.first[left + b - 1] - left
            least = min(
                forests[a - 1][b] + 1,
                forests[a][b - 1] + 1,
                forests[our_first][b] + _branch(ours),
                forests[a][their_first] + _branch(theirs),
            )
            if our_first == 0 and their_first == 0:
                least = min(least, forests[a - 1][b - 1] + (ours.label != theirs.label))
                trees[top + a - 1][left + b - 1] = least
            else:
                least = min(least, forests[our_first][their_first] + trees[top + a - 1][left + b - 1])
            forests[a][b] = least
