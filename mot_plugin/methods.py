"""The algorithms as steps: base, STD, MTD, MoT and what they are compared with, to be read beside the paper's sections 3 and 4."""

from collections.abc import Iterator

from mot_plugin.blocks import STUDENT, Model, Setting, artifact, choice, evaluation
from mot_plugin.merges import Merge, merging
from mot_plugin.recipe.methods import Std
from mot_plugin.step import Method, Step
from mot_plugin.trainings import Wanted, training

BASE = Model("base", STUDENT, artifact(STUDENT, "model"), "base")
ONE_SHOT = Model("one-shot", "one-shot/merge", artifact("one-shot/merge", "model"), "one-shot")


def base(s: Setting) -> Iterator[Step]:
    """The student before any training."""
    yield evaluation(s, BASE)


def mot(s: Setting) -> Iterator[Step]:
    """Merge-of-Thought: K branches from one start, their merge, which starts the next round (paper, eq. 1 and 2)."""
    wanted = s.recipe.methods.mot
    assert wanted is not None
    start = BASE
    best: tuple[str, ...] = ()
    for number in range(1, wanted.rounds + 1):
        branches: dict[str, Model] = {}
        last = number == wanted.rounds
        for teacher in s.recipe.teachers:
            name = f"mot/round-{number}/branches/{teacher}"
            first_row = (number - 1) * wanted.steps * s.recipe.global_batch_size
            yield training(s, Wanted(name, "MoT", start, teacher, wanted.steps, first_row=first_row, round=number))
            branches[teacher] = Model(teacher, name, artifact(name, "model"), "MoT", teacher)
        merge = f"mot/round-{number}/merge"
        file, text = s.materials.merges[number - 1]
        yield merging(
            s,
            Merge(
                merge,
                "MoT",
                branches,
                start,
                file,
                text,
                wanted.weights,
                number,
                wanted.carry,
                wanted.diagnose,
                # The last one stays, whatever becomes of it: more rounds can go on from it.
                weights_kept="kept" if last else "temporary",
            ),
        )
        start = Model(f"round {number}", merge, artifact(merge, "model"), "MoT", round=number)
        judged = evaluation(s, start, f"mot/round-{number}")
        yield judged
        yield choice(s, chosen_after(number), "MoT", [(start, judged.name)], *best, final=last)
        best = (chosen_after(number),)


def chosen_after(round_: int) -> str:
    """The step that chooses the best round so far."""
    return f"mot/round-{round_}/select"


def std(s: Setting) -> Iterator[Step]:
    """Single-teacher distillation: one training per teacher, of which the best checkpoint is kept."""
    assert s.recipe.methods.std is not None
    for teacher in s.recipe.teachers:
        yield from baseline(s, f"std/{teacher}", "STD", teacher, s.recipe.methods.std)


def mtd(s: Setting) -> Iterator[Step]:
    """Multi-teacher distillation: the same training on the union of all corpora."""
    assert s.recipe.methods.mtd is not None
    yield from baseline(s, "mtd", "MTD", None, s.recipe.methods.mtd)


def one_shot(s: Setting) -> Iterator[Step]:
    """One merge of the finished STD trainings, instead of one after every round."""
    wanted, trained = s.recipe.methods.one_shot, s.recipe.methods.std
    assert wanted is not None
    assert trained is not None
    assert s.materials.one_shot is not None
    branches = {
        teacher: Model(
            teacher,
            f"std/{teacher}/train",
            artifact(f"std/{teacher}/train", "model", f"checkpoint-{trained.steps}"),
            "STD",
            teacher,
        )
        for teacher in s.recipe.teachers
    }
    file, text = s.materials.one_shot
    name = ONE_SHOT.step
    merge = Merge(name, "one-shot", branches, BASE, file, text, diagnose=wanted.diagnose, weights_kept="result")
    yield merging(s, merge)
    yield evaluation(s, ONE_SHOT, "one-shot")


def matched(s: Setting) -> Iterator[Step]:
    """Baselines with as many optimizer steps as all branches of all rounds took together (docs/method.md)."""
    wanted, mot = s.recipe.methods.matched, s.recipe.methods.mot
    assert wanted is not None
    assert mot is not None
    steps = Std(steps=len(s.recipe.teachers) * mot.rounds * mot.steps, save_steps=wanted.save_steps)
    if "mtd" in wanted.of:
        yield from baseline(s, "matched/mtd", "MTD-matched", None, steps)
    for teacher in s.recipe.teachers if "std" in wanted.of else ():
        yield from baseline(s, f"matched/std/{teacher}", "STD-matched", teacher, steps)


def baseline(s: Setting, room: str, method: Method, teacher: str | None, wanted: Std) -> Iterator[Step]:
    """One long training, an evaluation of each checkpoint, and the choice among them."""
    trained = f"{room}/train"
    long = Wanted(trained, method, BASE, teacher, wanted.steps, save_steps=wanted.save_steps)
    yield training(s, long)
    judged: list[tuple[Model, str]] = []
    for at in long.saved_at:
        model = Model(f"step {at}", trained, artifact(trained, "model", f"checkpoint-{at}"), method, teacher, steps=at)
        step = evaluation(s, model, f"{room}/step-{at}")
        yield step
        judged.append((model, step.name))
    yield choice(s, f"{room}/select", method, judged)
