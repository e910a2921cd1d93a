"""What has to run and what can be deleted: examples, and properties of small random plans on a real store."""

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mot_plugin.state import collectable, judge
from mot_plugin.step import Plan, Step, arrange
from mot_plugin.store import Record, Store
from mot_plugin.tools.call import Call, Command

WEIGHTS = ("model/*.safetensors",)
RETENTION = ("result", "kept", "temporary")
CONDITION = ("absent", "done", "deleted", "half deleted", "running", "failed", "cancelled", "lost")
"""What may be found in the store for one step; `lost` is a record without its artifact."""


def step(name: str, needs: tuple[str, ...], weights: str) -> Step:
    return Step(
        name, "train", "MoT", Call((Command("mot-plugin", (name,)),), (), (), (), WEIGHTS), needs, weights=weights
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Up to seven steps, each needing some of those before it."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 7)))]
    steps = [
        step(
            name,
            tuple(draw(st.lists(st.sampled_from(names[:at]), unique=True, max_size=3)) if at else ()),
            draw(st.sampled_from(RETENTION)),
        )
        for at, name in enumerate(names)
    ]
    return arrange("mine", steps, {}, {})


@st.composite
def situations(draw: st.DrawFn) -> tuple[Plan, tuple[str, ...]]:
    """A plan, and what is found of each of its steps."""
    plan = draw(plans())
    return plan, tuple(draw(st.sampled_from(CONDITION)) for _ in plan.steps)


@contextmanager
def store_with(plan: Plan, conditions: tuple[str, ...]) -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as root:
        store = Store(Path(root))
        for one, condition in zip(plan.steps, conditions, strict=True):
            put(store, plan, one, condition)
        yield store


def put(store: Store, plan: Plan, one: Step, condition: str) -> None:
    fingerprint = plan.prints[one.name]
    if condition == "absent":
        return
    state = condition if condition in ("running", "failed", "cancelled") else "done"
    error = "it broke\nin two lines" if state == "failed" else None
    record = Record(one.name, one.kind, "mine", state, error=error, deleted=condition in ("deleted", "half deleted"))
    store.write(fingerprint, record)
    model = store.out(fingerprint) / "model"
    if condition != "lost":
        model.mkdir(parents=True)
    if condition in ("done", "half deleted", "running"):
        (model / "model.safetensors").write_bytes(b"weights")


def todo(plan: Plan, store: Store) -> list[Step]:
    found = judge(plan, store, {})
    return [one for one in plan.steps if found[one.name].state == "todo"]


def collect(plan: Plan, store: Store) -> None:
    for one in collectable(plan, store):
        store.delete(plan.prints[one.name], one.call.weights)


many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@many
@given(situations())
def test_what_a_step_to_run_reads_is_whole_or_runs_before_it(situation: tuple[Plan, tuple[str, ...]]) -> None:
    plan, conditions = situation
    with store_with(plan, conditions) as store:
        running = todo(plan, store)
        for one in running:
            for need in one.needs:
                assert plan[need] in running or store.whole(plan.prints[need])


@many
@given(situations())
def test_results_run_until_they_are_there_and_temporary_steps_only_for_a_reader(
    situation: tuple[Plan, tuple[str, ...]],
) -> None:
    plan, conditions = situation
    with store_with(plan, conditions) as store:
        running = todo(plan, store)
        for one in plan.steps:
            whole, fresh = store.whole(plan.prints[one.name]), store.fresh(plan.prints[one.name])
            readers = [reader for reader in plan.readers(one.name) if reader in running]
            if one.weights == "result":
                assert (one in running) == (not whole)
            elif one.weights == "temporary":
                assert (one in running) == (not whole and bool(readers))
            else:
                assert (one in running) == (not fresh or (not whole and bool(readers)))


@many
@given(situations())
def test_nothing_that_is_wanted_is_deleted_and_nothing_unwanted_is_kept(
    situation: tuple[Plan, tuple[str, ...]],
) -> None:
    plan, conditions = situation
    with store_with(plan, conditions) as store:
        before = todo(plan, store)
        unread = collectable(plan, store)
        for one in unread:
            assert one.weights == "temporary"
            assert not any(reader in before for reader in plan.readers(one.name))
        collect(plan, store)
        assert todo(plan, store) == before, "deleting makes no work"
        assert collectable(plan, store) == []
        for one in plan.steps:
            if one.weights == "temporary" and store.held(plan.prints[one.name], WEIGHTS):
                assert any(reader in before for reader in plan.readers(one.name))


@many
@given(situations())
def test_running_what_has_to_run_ends_with_everything_done(situation: tuple[Plan, tuple[str, ...]]) -> None:
    """Step by step, deleting after each as a run does: every reader finds its weights, and in the end nothing is left to do."""
    plan, conditions = situation
    with store_with(plan, conditions) as store:
        collect(plan, store)
        for one in todo(plan, store):
            assert all(store.held(plan.prints[need], WEIGHTS) for need in one.needs)
            shutil.rmtree(store.home(plan.prints[one.name]), ignore_errors=True)
            put(store, plan, one, "done")
            collect(plan, store)
        assert todo(plan, store) == []
        for one in plan.steps:
            held = bool(store.held(plan.prints[one.name], WEIGHTS))
            assert held if one.weights == "result" else True
            assert not held if one.weights == "temporary" else True


@many
@given(situations(), st.data())
def test_another_run_keeps_what_it_wants(situation: tuple[Plan, tuple[str, ...]], data: st.DataObject) -> None:
    """The same steps in another recipe, with other results: this run deletes nothing that makes work for that one."""
    plan, conditions = situation
    steps = [dataclasses.replace(one, weights=data.draw(st.sampled_from(RETENTION))) for one in plan.steps]
    other = arrange("other", steps, {}, {})
    assert other.prints == plan.prints, "what is kept is no part of what a step makes"
    with store_with(plan, conditions) as store:
        before, held = todo(other, store), [one for one in other.steps if store.held(other.prints[one.name], WEIGHTS)]
        for one in collectable(plan, store, [other]):
            store.delete(plan.prints[one.name], one.call.weights)
        assert todo(other, store) == before
        assert all(store.held(other.prints[one.name], WEIGHTS) for one in held if one.weights != "temporary")


def test_reasons_in_words(tmp_path: Path) -> None:
    first, second, third = (
        step("first", (), "temporary"),
        step("second", ("first",), "kept"),
        step("third", (), "result"),
    )
    plan, store = arrange("mine", [first, second, third], {}, {}), Store(tmp_path)

    def why() -> list[str]:
        return [status.why for status in judge(plan, store, {}).values()]

    assert why() == ["never ran"] * 3
    put(store, plan, first, "done")
    put(store, plan, second, "failed")
    put(store, plan, third, "lost")
    assert why() == ["done", "failed: it broke", "its artifact is gone"]
    store.delete(plan.prints["first"], WEIGHTS)
    assert why()[0] == "its weights were deleted, second needs them"
    shutil.rmtree(tmp_path / plan.prints["second"])
    put(store, plan, second, "done")
    assert why()[:2] == ["done, weights deleted", "done"]
    shutil.rmtree(tmp_path / plan.prints["first"])
    assert why()[0] == "not needed: what reads it is done"


def test_what_changed_is_named(tmp_path: Path) -> None:
    one = dataclasses.replace(step("one", (), "kept"), inputs=("inputs/a", "inputs/b", "inputs/c"))
    old = arrange("mine", [one], {}, {"inputs/a": "1", "inputs/b": "1", "inputs/c": "1"})
    new = arrange("mine", [one], {}, {"inputs/a": "2", "inputs/b": "1", "inputs/c": "1"})
    all_new = arrange("mine", [one], {}, {"inputs/a": "2", "inputs/b": "2", "inputs/c": "2"})
    store = Store(tmp_path)
    assert judge(new, store, old.parts)["one"].why == "changed: inputs/a"
    assert judge(all_new, store, old.parts)["one"].why == "changed: inputs/a, inputs/b and 1 more"
    assert judge(new, store, new.parts)["one"].why == "never ran"
