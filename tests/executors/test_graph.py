"""The bookkeeping of executors, on random graphs with random failures, handed out in random order."""

import random

from hypothesis import given
from hypothesis import strategies as st

from mot_plugin.executors.graph import Graph
from mot_plugin.step import Step
from mot_plugin.tools.call import Call


def step(name: str, *needs: str) -> Step:
    return Step(name, "train", "MoT", Call((), (), ()), needs)


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    """Steps in an order that works; some need steps that are done already and not among them."""
    count = draw(st.integers(0, 12))
    made: list[Step] = []
    for number in range(count):
        needs = draw(st.lists(st.sampled_from([*(one.name for one in made), "outside"]), unique=True, max_size=4))
        made.append(step(f"s{number}", *needs))
    return made


@given(todo=graphs(), bad=st.sets(st.integers(0, 11)), at_once=st.integers(1, 4), seed=st.integers(0, 99))
def test_whatever_happens_every_step_ends_once(todo: list[Step], bad: set[int], at_once: int, seed: int) -> None:
    draw, graph = random.Random(seed), Graph(todo)
    failing = {f"s{number}" for number in bad}
    ended: dict[str, str] = {}
    running: list[Step] = []
    while not graph.over:
        for one in graph.urgent[: at_once - len(running)]:
            assert all(ended.get(need) == "done" for need in one.needs if need != "outside")
            graph.hand_out(one)
            running.append(one)
        one = running.pop(draw.randrange(len(running)))
        assert one.name not in ended
        ended[one.name] = "failed" if one.name in failing else "done"
        for lost in graph.end(one, well=ended[one.name] == "done"):
            assert lost.name not in ended
            ended[lost.name] = "blocked"
    assert running == [] and graph.ready == []
    assert ended.keys() == {one.name for one in todo}
    for one in todo:
        waits = any(ended.get(need) in ("failed", "blocked") for need in one.needs)
        assert ended[one.name] == ("blocked" if waits else "failed" if one.name in failing else "done")
    assert graph.blocked == tuple(one.name for one in todo if ended[one.name] == "blocked")


def test_branches_of_the_next_round_come_before_an_evaluation_of_this_one() -> None:
    branches = [step("anna", "merge"), step("bert", "merge")]
    todo = [step("merge"), step("evaluate", "merge"), *branches, step("merge-2", "anna", "bert")]
    graph = Graph(todo)
    graph.hand_out(todo[0])
    graph.end(todo[0], well=True)
    assert [one.name for one in graph.ready] == ["evaluate", "anna", "bert"], "the plan's order"
    assert [one.name for one in graph.urgent] == ["anna", "bert", "evaluate"]
    assert [graph.number(one) for one in graph.urgent] == [3, 4, 2]
