"""The disk of plans that nobody ran: bytes of each kind of step, and a bound that holds for every order and side by side."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mot_plugin import machine as machines
from mot_plugin import run as runs
from mot_plugin.costs import disk
from mot_plugin.costs.disk import Disk, Load, readers
from mot_plugin.costs.disk_bound import bound
from mot_plugin.costs.ground import Ground, ground
from mot_plugin.costs.simulate import Job, simulate
from mot_plugin.costs.sizes import Sizes, sizes
from mot_plugin.machine import Machine
from mot_plugin.recipe import Recipe
from mot_plugin.recipe import load as load_recipe
from mot_plugin.run import Prepared

RECIPES = Path(__file__).parents[2] / "recipes"
N = 8_190_735_360


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    found = machines.load(RECIPES / "machines" / "8x80gb.yaml")
    storage = found.storage.model_copy(update={"runs": str(tmp_path_factory.mktemp("runs"))})
    return found.model_copy(update={"storage": storage})


@pytest.fixture(scope="module")
def ready(place: Machine) -> Prepared:
    return runs.prepare(RECIPES / "boba200.yaml", place)


def grounded(ready: Prepared, **changes: Any) -> Ground:
    """The paper's run with other keys of the trainer, of the recipe or of the machine."""
    made: Recipe = ready.recipe.model_copy(update={"sft": {**ready.recipe.sft, **changes.get("sft", {})}})
    train = {**ready.machine.train, **changes.get("train", {})}
    machine = ready.machine.model_copy(update={"train": {k: v for k, v in train.items() if v is not None}})
    return dataclasses.replace(ground(ready.recipe, machine, ready.gathered, ready.plan, None), recipe=made)


def test_bytes_of_a_training(ready: Prepared) -> None:
    branch, long = (ready.plan[name] for name in ("mot/round-1/branches/qwq", "std/qwq/train"))
    assert sizes(grounded(ready), branch) == Sizes((2 * N,))
    # Five checkpoints, and the last of them once more until the step ends.
    assert sizes(grounded(ready), long) == Sizes((2 * N,) * 5, while_working=2 * N)
    assert sizes(grounded(ready, train={"deepspeed": "zero2"}), branch) == Sizes((2 * N,))
    fsdp = {"deepspeed": None, "fsdp": "full_shard"}
    assert sizes(grounded(ready, train=fsdp), branch) == Sizes((4 * N,))
    # Without DeepSpeed the trainer keeps its weights in float32, and saves them so.
    assert sizes(grounded(ready, train={"deepspeed": None}), branch) == Sizes((4 * N,))
    assert sizes(grounded(ready, train={"deepspeed": None}, sft={"pure_bf16": True}), branch) == Sizes((2 * N,))
    # Weights, two moments and DeepSpeed's masters of the newest full checkpoint, and of the one that is being written.
    often, once = (ready.machine.model_copy(update={"checkpoint_every": every}) for every in (10, 30))
    full = (2 + 12) * N
    assert sizes(dataclasses.replace(grounded(ready), machine=often), branch) == Sizes((2 * N,), while_working=2 * full)
    assert sizes(dataclasses.replace(grounded(ready), machine=once), branch) == Sizes((2 * N,), while_working=full)
    lora = sizes(grounded(ready, sft={"finetuning_type": "lora"}), branch)
    assert (lora.left, lora.working) == (4 * N, 8 * N)


def test_bytes_of_a_merge_with_a_float32_carry(place: Machine, tmp_path: Path) -> None:
    text = (RECIPES / "boba200.yaml").read_text(encoding="utf-8")
    text = text.replace("steps: 50, merge: linear}", "steps: 50, merge: linear, carry: float32}")
    (tmp_path / "carry.yaml").write_text(text, encoding="utf-8")
    assert load_recipe(tmp_path / "carry.yaml").methods.mot is not None
    carrying = runs.prepare(tmp_path / "carry.yaml", place)
    found = sizes(grounded(carrying), carrying.plan["mot/round-2/merge"])
    assert found == Sizes((2 * N,), beside=4 * N)


def chain(*rows: tuple[str, tuple[str, ...], float, bool]) -> list[Load]:
    return [
        Load(key, key, needs, Sizes((size,)) if size else Sizes(), temporary, model=size)
        for key, needs, size, temporary in rows
    ]


def test_side_by_side_all_branches_lie_there_at_once() -> None:
    made = chain(
        ("a1", (), 10, True),
        ("ea1", ("a1",), 0, True),
        ("a2", (), 10, True),
        ("ea2", ("a2",), 0, True),
        ("m", ("ea1", "ea2"), 1, False),
    )
    assert disk.mark(made).peak == 10  # the first is gone before the second is written
    assert bound(made) == 20
    assert disk.mark(made).stays == 1


@st.composite
def plans(draw: st.DrawFn) -> list[Load]:
    """Steps that write models, steps that read them, and choices among them, in an order that works."""
    made: list[Load] = []
    for number in range(draw(st.integers(2, 9))):
        key, before = f"k{number}", [load.key for load in made]
        needs = tuple(sorted(draw(st.sets(st.sampled_from(before), max_size=3)))) if before else ()
        models = [load for load in made if load.key in needs and load.model]
        temporary = draw(st.booleans())
        if models and draw(st.booleans()):
            won = draw(st.sampled_from(models))
            most = max(load.model for load in models)
            options = tuple(load.key for load in models)
            made.append(Load(key, key, needs, Sizes(), temporary, (won.key, 0), options, most))
            continue
        size = float(draw(st.integers(0, 5)))
        written = Sizes((size,), while_working=float(draw(st.integers(0, 2)))) if size else Sizes()
        made.append(Load(key, key, needs, written, temporary, model=size))
    return made


@settings(max_examples=100, deadline=None)
@given(plans(), st.integers(0, 4), st.randoms(use_true_random=False))
def test_no_order_has_more_than_the_bound(loads: list[Load], done: int, draw: Any) -> None:
    loads = [dataclasses.replace(load, present=number < done) for number, load in enumerate(loads)]
    most = bound(loads)
    assert disk.mark(loads).peak <= most + 1e-9
    left, order = list(loads), list[Load]()
    while left:
        known = {load.key for load in order}
        order.append(draw.choice([load for load in left if set(load.needs) <= known]))
        left.remove(order[-1])
    assert disk.mark(order).peak <= most + 1e-9


@settings(max_examples=100, deadline=None)
@given(plans(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_nor_has_any_side_by_side(loads: list[Load], nodes: int, draw: Any) -> None:
    jobs = [Job(load.key, load.name, "train", draw.randint(1, 9), load.needs, gpus=8) for load in loads]
    bars = simulate(jobs, nodes, 8, "fifo").bars
    by_key, waiting, lying = {load.key: load for load in loads}, readers(loads), Disk()
    running, peak = 0.0, 0.0
    events = [(bar.end, 0, bar.job.key) for bar in bars] + [(bar.start, 1, bar.job.key) for bar in bars]
    for _, starts, key in sorted(events):
        load = by_key[key]
        running += load.size.working if starts else -load.size.working
        if not starts:
            lying.take(load)
            for need in {*load.needs, key}:
                waiting[need].discard(key)
                if by_key[need].temporary and not waiting[need]:
                    lying.drop(need)
        peak = max(peak, lying.bytes + running)
    assert peak <= bound(loads) + 1e-9


def test_the_bound_is_not_far_from_the_worst_order() -> None:
    made = chain(
        ("s", (), 3, False),
        ("a", ("s",), 5, True),
        ("b", ("s",), 7, True),
        ("m", ("a", "b"), 4, True),
        ("c", ("m",), 5, True),
        ("d", ("s",), 6, True),
        ("e", ("c", "d"), 1, False),
    )
    most = max(disk.mark(order).peak for order in _orders(made))
    assert most == 25
    assert bound(made) <= 26


def _orders(left: list[Load], done: tuple[Load, ...] = ()) -> Iterator[list[Load]]:
    if not left:
        yield list(done)
    known = {load.key for load in done}
    for load in left:
        if set(load.needs) <= known:
            yield from _orders([other for other in left if other is not load], (*done, load))
