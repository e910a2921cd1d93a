"""The edit distance of trees, against its definition by brute force and against distances counted by hand."""

import functools

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.evals.phybench.trees import Tree, distance, tree_of

x, y, z = sympy.symbols("x y z")


def leaf(label: str) -> Tree:
    return Tree(label)


def by_definition(left: tuple[Tree, ...], right: tuple[Tree, ...]) -> float:
    """The least cost for two rows of trees: whatever is done to the last root of either."""

    def whole(tree: Tree) -> float:
        return min(float(tree.size), 0.6 * (tree.size - 5) + 5)

    @functools.cache
    def least(ours: tuple[Tree, ...], theirs: tuple[Tree, ...]) -> float:
        costs = []
        if ours:
            costs += [least(ours[:-1], theirs) + whole(ours[-1]), least(ours[:-1] + ours[-1].branches, theirs) + 1]
        if theirs:
            costs += [least(ours, theirs[:-1]) + whole(theirs[-1]), least(ours, theirs[:-1] + theirs[-1].branches) + 1]
        if ours and theirs:
            change = float(ours[-1].label != theirs[-1].label)
            costs.append(least(ours[:-1], theirs[:-1]) + least(ours[-1].branches, theirs[-1].branches) + change)
        return min(costs, default=0.0)

    return least(left, right)


TREES = st.recursive(
    st.sampled_from("abc").map(Tree),
    lambda part: st.tuples(st.sampled_from("abc"), st.lists(part, min_size=1, max_size=3).map(tuple)).map(
        lambda two: Tree(*two)
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(TREES, TREES)
def test_the_distance_is_the_one_of_the_definition(left: Tree, right: Tree) -> None:
    assert distance(left, right) == pytest.approx(by_definition((left,), (right,)))


@given(TREES, TREES)
def test_a_distance_is_a_distance(left: Tree, right: Tree) -> None:
    between = distance(left, right)
    assert between == pytest.approx(distance(right, left))
    assert (between == 0) == (left == right)
    assert abs(left.size - right.size) * 0.6 <= between + 1e-9
    assert between <= left.size + right.size


@given(TREES, TREES, TREES)
def test_a_detour_is_never_shorter(left: Tree, middle: Tree, right: Tree) -> None:
    assert distance(left, right) <= distance(left, middle) + distance(middle, right) + 1e-9


def test_a_whole_branch_costs_less_than_its_nodes() -> None:
    branch = Tree("f", tuple(leaf(f"l{number}") for number in range(9)))  # of 10 nodes: 0.6 * 5 + 5 = 8
    assert distance(Tree("g", (leaf("a"), branch)), Tree("g", (leaf("a"),))) == pytest.approx(8)
    assert distance(Tree("g", (leaf("a"),)), Tree("g", (leaf("a"), branch))) == pytest.approx(8)
    small = Tree("f", tuple(leaf(f"l{number}") for number in range(4)))  # of 5 nodes: no discount
    assert distance(Tree("g", (leaf("a"), small)), Tree("g", (leaf("a"),))) == 5


def test_by_hand() -> None:
    assert distance(leaf("a"), leaf("a")) == 0
    assert distance(leaf("a"), leaf("b")) == 1
    assert distance(Tree("f", (leaf("a"), leaf("b"))), Tree("f", (leaf("b"), leaf("a")))) == 2
    assert distance(Tree("f", (leaf("a"),)), Tree("f", (Tree("g", (leaf("a"),)),))) == 1


def test_the_tree_of_a_formula() -> None:
    tree = tree_of(2 * x**2 * sympy.sin(y) + sympy.pi)
    assert tree == Tree(
        "operator Add",
        (
            Tree("number pi"),
            Tree(
                "operator Mul",
                (
                    Tree("number 2"),
                    Tree("operator Pow", (Tree("symbol x"), Tree("number 2"))),
                    Tree("operator sin", (Tree("symbol y"),)),
                ),
            ),
        ),
    )
    assert tree.size == 9
    assert tree_of(sympy.Rational(-3, 4)) == Tree("number -3/4")
    assert tree_of(sympy.Symbol("pi")) != tree_of(sympy.pi)
    assert tree_of(sympy.I).size == tree_of(sympy.E).size == tree_of(sympy.oo).size == 1
    assert tree_of(sympy.Piecewise((x, x > 0), (y, True))).size > 2  # also what no answer should hold


def test_the_order_of_writing_is_no_distance() -> None:
    assert tree_of(x * y + z) == tree_of(z + y * x)


def test_big_trees_take_seconds_and_not_minutes() -> None:
    wide = sympy.Add(*[sympy.Symbol(f"a_{n}") ** n * sympy.sin(sympy.Symbol(f"b_{n}")) for n in range(2, 62)])
    other = sympy.Add(*[sympy.Symbol(f"a_{n}") ** n * sympy.cos(sympy.Symbol(f"b_{n}")) for n in range(2, 62)])
    assert distance(tree_of(wide), tree_of(other)) == 60
