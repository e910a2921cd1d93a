"""What is measured on the selected models once methods are done: more benchmarks, and the way back to the base."""

from collections.abc import Iterator

from mot_plugin.blocks import Model, Setting, artifact, choice, evaluation
from mot_plugin.merges import mixture
from mot_plugin.methods import BASE, ONE_SHOT, chosen_after
from mot_plugin.step import Method, Step

BEST_STD = "best/std"


def measured(s: Setting) -> Iterator[Step]:
    """All of it, as far as the recipe wants it."""
    asked = {*(s.recipe.general.of if s.recipe.general else ()), *(s.recipe.probe.of if s.recipe.probe else ())}
    if "std" in asked:
        yield choice(s, BEST_STD, "STD", [], *(f"std/{teacher}/select" for teacher in s.recipe.teachers))
    if s.recipe.general:
        for name in dict.fromkeys(s.recipe.general.of):
            yield evaluation(s, _selected(s, name), f"general/{name}", "general")
    if s.recipe.probe:
        yield from _probe(s)


def _probe(s: Setting) -> Iterator[Step]:
    """Scores along the line from each model (lambda 0) to the base (lambda 1), which is scored once for all."""
    probe = s.recipe.probe
    assert probe is not None
    yield evaluation(s, _at(BASE, 1.0), "probe/base", "probe")
    for name in dict.fromkeys(probe.of):
        model = _selected(s, name)
        yield evaluation(s, _at(model, 0.0), f"probe/{name}/lambda-0", "probe")
        for share in probe.grid[1:-1]:
            room = f"probe/{name}/lambda-{share:g}"
            mixed = mixture(s, f"{room}/mix", model, BASE, share)
            yield mixed
            point = Model(f"lambda {share:g}", mixed.name, artifact(mixed.name, "model"), model.method, share=share)
            yield evaluation(s, point, room, "probe")


def _at(model: Model, share: float) -> Model:
    return Model(model.label, model.step, model.path, model.method, share=share)


def _selected(s: Setting, name: str) -> Model:
    """The model that a method is represented by: its best checkpoint or round, as the paper chooses it."""
    if name == "base":
        return BASE
    if name == "one_shot":
        return ONE_SHOT
    rounds = s.recipe.methods.mot.rounds if s.recipe.methods.mot else 0
    methods: dict[str, tuple[Method, str]] = {
        "mot": ("MoT", chosen_after(rounds)),
        "mtd": ("MTD", "mtd/select"),
        "std": ("STD", BEST_STD),
    }
    method, step = methods[name]
    return Model(name, step, artifact(step, "model"), method)
