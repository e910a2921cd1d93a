"""The algorithms as steps: base, STD, MTD and MoT are a function each, to be read beside the paper's sections 3 and 4."""

from collections.abc import Iterator

from mot_plugin.blocks import STUDENT, Model, Setting, artifact, choice, evaluation
from mot_plugin.merges import merging
from mot_plugin.recipe import Std
from mot_plugin.step import Method, Step
from mot_plugin.trainings import Wanted, training

BASE = Model("base", STUDENT, artifact(STUDENT, "model"), "base")


def base(s: Setting) -> Iterator[Step]:
    """The student before any training."""
    yield evaluation(s, BASE)


def mot(s: Setting) -> Iterator[Step]:
    """Merge-of-Thought: K branches from one start, their merge, which starts the next round (paper, eq. 1 and 2)."""
    wanted = s.recipe.methods.mot
    assert wanted is not None
    start = BASE
    best: str | None = None
    for number in range(1, wanted.rounds + 1):
        branches: dict[str, str] = {}
        for teacher in s.recipe.teachers:
            name = f"mot/round-{number}/branches/{teacher}"
            first_row = (number - 1) * wanted.steps * s.recipe.global_batch_size
            yield training(
                s, Wanted(name, "MoT", start, teacher, wanted.steps, first_row=first_row, purpose=f"round {number}")
            )
            branches[teacher] = name
        merge = f"mot/round-{number}/merge"
        yield merging(s, merge, branches, start, number)
        start = Model(f"round {number}", merge, artifact(merge, "model"), "MoT", round=number)
        judged = evaluation(s, start, f"mot/round-{number}")
        yield judged
        best, previous = f"mot/round-{number}/select", best
        yield choice(s, best, [(start, judged.name)], previous, final=number == wanted.rounds)


def std(s: Setting) -> Iterator[Step]:
    """Single-teacher distillation: one training per teacher, of which the best checkpoint is kept."""
    assert s.recipe.methods.std is not None
    for teacher in s.recipe.teachers:
        yield from baseline(s, f"std/{teacher}", "STD", teacher, s.recipe.methods.std)


def mtd(s: Setting) -> Iterator[Step]:
    """Multi-teacher distillation: the same training on the union of all corpora."""
    assert s.recipe.methods.mtd is not None
    yield from baseline(s, "mtd", "MTD", None, s.recipe.methods.mtd)


def baseline(s: Setting, room: str, method: Method, teacher: str | None, wanted: Std) -> Iterator[Step]:
    """One long training, an evaluation of each checkpoint, and the choice among them."""
    trained = f"{room}/train"
    yield training(s, Wanted(trained, method, BASE, teacher, wanted.steps, save_steps=wanted.save_steps))
    judged: list[tuple[Model, str]] = []
    for at in range(wanted.save_steps, wanted.steps + 1, wanted.save_steps):
        model = Model(f"step {at}", trained, artifact(trained, "model", f"checkpoint-{at}"), method, teacher, steps=at)
        step = evaluation(s, model, f"{room}/step-{at}")
        yield step
        judged.append((model, step.name))
    yield choice(s, f"{room}/select", judged)
