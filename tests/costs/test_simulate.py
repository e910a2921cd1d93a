"""The simulator, for any plan: no GPU twice, never faster than it can be, and never slower than list scheduling is."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin.costs.jobs import joined
from mot_plugin.costs.simulate import Bar, Job, Order, Schedule, simulate


@st.composite
def plans(draw: st.DrawFn, nodes: int = 3, gpus: int = 4) -> list[Job]:
    """Jobs in an order that works, each needing some of those before it."""
    made: list[Job] = []
    for number in range(draw(st.integers(1, 14))):
        needs = draw(st.sets(st.sampled_from([job.key for job in made]), max_size=3)) if made else set()
        wide = draw(st.sampled_from([1, 1, 1, nodes]))
        merge = draw(st.booleans())
        made.append(
            Job(
                f"k{number}",
                f"job {number}",
                "merge" if merge else "train",
                draw(st.integers(0, 50)) / 2,
                tuple(sorted(needs)),
                0 if merge else draw(st.integers(0, gpus)),
                1 if merge else wide,
                merge,
            )
        )
    return made


def at(schedule: Schedule, moment: float) -> list[Bar]:
    return [bar for bar in schedule.bars if bar.start <= moment < bar.end]


ORDERS: tuple[Order, ...] = ("fifo", "longest")


@settings(max_examples=100, deadline=None)
@given(plans(), st.sampled_from(ORDERS))
def test_no_gpu_is_given_twice_and_every_need_is_met(jobs: list[Job], order: Order) -> None:
    found = simulate(jobs, 3, 4, order)
    ended = {bar.job.key: bar.end for bar in found.bars}
    assert sorted(ended) == sorted(job.key for job in jobs)
    for bar in found.bars:
        assert bar.end == bar.start + bar.job.seconds
        assert len(set(bar.nodes)) == bar.job.nodes
        assert all(ended[need] <= bar.start for need in bar.job.needs)
        for node in range(3):
            here = [other.job for other in at(found, bar.start) if node in other.nodes]
            assert sum(job.gpus for job in here) <= 4
            assert sum(job.alone for job in here) <= 1


@settings(max_examples=100, deadline=None)
@given(plans(), st.sampled_from(ORDERS))
def test_no_schedule_is_faster_than_its_longest_chain_or_its_work(jobs: list[Job], order: Order) -> None:
    found = simulate(jobs, 3, 4, order)
    assert found.makespan >= found.path - 1e-9
    assert found.makespan >= found.work / (3 * 4) - 1e-9
    assert found.utilisation <= 1 + 1e-9
    assert found.makespan <= sum(job.seconds for job in jobs) + 1e-9, "something idles although it could run"
    chain = found.critical
    assert all(first.key in second.needs for first, second in itertools.pairwise(chain))


@settings(max_examples=60, deadline=None)
@given(plans())
def test_with_room_for_all_the_longest_chain_is_the_time(jobs: list[Job]) -> None:
    assert simulate(jobs, 3 * len(jobs), 4).makespan == pytest.approx(simulate(jobs, 3, 4).path)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(1, 8))
def test_one_set_of_gpus_is_one_after_the_other(seconds: list[int], gpus: int) -> None:
    jobs = [Job(str(number), str(number), "train", time, gpus=gpus) for number, time in enumerate(seconds)]
    found = simulate(jobs, 1, gpus)
    assert found.makespan == sum(seconds)
    assert found.utilisation == pytest.approx(1)
    assert len({bar.start for bar in found.bars}) == len(jobs)


def test_a_round_of_branches_runs_side_by_side_and_merges_take_turns() -> None:
    branches = [Job(f"b{number}", f"branch {number}", "train", 100, gpus=8) for number in range(4)]
    merges = [Job(f"m{n}", f"merge {n}", "merge", 10, ("b0", "b1", "b2", "b3"), alone=True) for n in range(3)]
    times = {nodes: simulate([*branches, *merges], nodes, 8).makespan for nodes in (1, 2, 3, 4, 8)}
    # Four branches on three nodes take as long as on two; three merges of one node take turns, on four they need not.
    assert times == {1: 430, 2: 220, 3: 210, 4: 110, 8: 110}


def test_evaluation_runs_beside_the_next_round() -> None:
    jobs = [
        Job("m1", "merge 1", "merge", 10, alone=True),
        Job("e1", "evaluate 1", "evaluate", 50, ("m1",), gpus=8),
        Job("b2", "branch of round 2", "train", 100, ("m1",), gpus=8),
    ]
    assert simulate(jobs, 1, 8).makespan == 160
    assert simulate(jobs, 2, 8).makespan == 110


def test_what_can_never_run_is_refused() -> None:
    with pytest.raises(ValueError, match="wide takes 1 x 16 GPUs, and there are 4 x 8"):
        simulate([Job("w", "wide", "train", 1, gpus=16)], 4, 8)
    with pytest.raises(ValueError, match="first needs what comes after it"):
        simulate([Job("a", "first", "train", 1, ("b",)), Job("b", "second", "train", 1)], 1, 1)


def test_plans_are_joined_in_an_order_that_works() -> None:
    pupil = [Job("p", "pupil", "traces", 1, ("s",)), Job("q", "pupil's corpus", "corpus", 1, ("p", "x"))]
    teacher = [Job("x", "problems", "source", 1), Job("s", "student", "select", 1, ("x", "done long ago"))]
    found = joined([pupil, teacher, pupil])
    assert [job.key for job in found] == ["x", "s", "p", "q"]
    assert simulate(found, 1, 8).makespan == 4
    with pytest.raises(ValueError, match="pupil waits for itself"):
        joined([pupil, [Job("s", "student", "select", 1, ("q",))]])
