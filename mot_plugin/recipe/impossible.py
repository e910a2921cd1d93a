"""What the types of a recipe do not say: blocks that contradict each other or need one that is not there."""

from collections.abc import Collection, Iterator
from typing import Any

from mot_plugin import strict
from mot_plugin.recipe.methods import Methods
from mot_plugin.recipe.part import PROMPT
from mot_plugin.sources import formats
from mot_plugin.teachers import layouts
from mot_plugin.teachers.recorded import OURS
from mot_plugin.tools import llamafactory


def impossible(document: strict.Document) -> Iterator[strict.Finding]:
    """What the types do not say. The file may be wrong in other ways too, so nothing is taken for granted."""
    data = document.data if isinstance(document.data, dict) else {}
    sft, methods, prompt = data.get("sft"), data.get("methods"), data.get("prompt", PROMPT)
    found: list[tuple[strict.Key, str]] = []
    if isinstance(methods, dict) and not methods:
        found.append((("methods",), f"names no method: one or more of {', '.join(Methods.model_fields)}"))
    for name, wanted in methods.items() if isinstance(methods, dict) else ():
        if wanted is None and name in Methods.model_fields:
            found.append((("methods", name), "is empty: give it its keys ({} if it has none), or take the line out"))
    if isinstance(prompt, str) and "{problem}" not in prompt:
        found.append((("prompt",), "has no {problem}"))
    if isinstance(data.get("teachers"), dict) and "union" in data["teachers"]:
        found.append((("teachers", "union"), "this name is taken, choose another"))
    found += list(_weights_of_strangers(methods, data.get("teachers")))
    found += list(_of_absent_methods(data))
    found += list(_probed_with_a_stranger(data.get("probe_loss"), data.get("teachers")))
    found += list(_of_live_teachers(data))
    if isinstance(sft, dict):
        found += [(("sft", *key), message) for key, message in llamafactory.refuse(sft)]
    yield from ((document.line(key), key, message) for key, message in found)


def _weights_of_strangers(methods: Any, teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    mot = methods.get("mot") if isinstance(methods, dict) else None
    weights = mot.get("weights") if isinstance(mot, dict) else None
    if isinstance(weights, dict) and isinstance(teachers, dict) and weights:
        for name in weights.keys() - teachers.keys():
            yield ("methods", "mot", "weights", name), f"no such teacher{strict.suggest(name, teachers)}"
        absent = sorted(teachers.keys() - weights.keys())
        if absent:
            yield ("methods", "mot", "weights"), f"names no weight for {', '.join(absent)}"


def _probed_with_a_stranger(probe: Any, teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    name = probe.get("teacher") if isinstance(probe, dict) else None
    if isinstance(name, str) and isinstance(teachers, dict) and name not in teachers:
        yield ("probe_loss", "teacher"), f"no such teacher{strict.suggest(name, teachers)}"


def _of_absent_methods(data: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    """What builds on a method needs that method."""
    methods = data["methods"] if isinstance(data.get("methods"), dict) else {}
    if "one_shot" in methods and "std" not in methods:
        yield ("methods", "one_shot"), "merges the STD trainings: give methods.std too"
    if "matched" in methods:
        yield from _unmatched(methods, data.get("teachers"))
    for block in ("general", "probe"):
        wanted = data[block].get("of", ()) if isinstance(data.get(block), dict) else ()
        for name in wanted if isinstance(wanted, list) else ():
            if name in Methods.model_fields and name not in methods:
                yield (block, "of"), f"names {name}, which methods does not"


def _unmatched(methods: dict[str, Any], teachers: Any) -> Iterator[tuple[strict.Key, str]]:
    mot, every = methods.get("mot"), (methods.get("matched") or {}).get("save_steps")
    if not isinstance(mot, dict):
        yield ("methods", "matched"), "takes as many steps as MoT: give methods.mot too"
        return
    # Of one round, so that it holds however many rounds there are in the end.
    steps = mot.get("steps"), len(teachers) if isinstance(teachers, dict) else 1
    if isinstance(every, int) and every > 0 and isinstance(steps[0], int) and steps[0] * steps[1] % every:
        yield (
            ("methods", "matched", "save_steps"),
            f"must divide the {steps[0] * steps[1]} steps that a round takes in all ({steps[1]} teachers x {steps[0]})",
        )


def _of_live_teachers(data: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    """A teacher that is asked needs problems to be asked, and somebody's decision how."""
    source, teachers = data.get("source"), data.get("teachers")
    named = teachers.items() if isinstance(teachers, dict) else ()
    live = {name: teacher for name, teacher in named if isinstance(teacher, dict) and {"model", "run"} & teacher.keys()}
    fields = source if isinstance(source, dict) else {}
    if isinstance(source, str):
        yield ("source",), f"is a mapping: write {{name: {source}}}"
    elif live and not {"file", "hub"} & fields.keys():
        yield ("source",), f"has neither file nor hub, and {', '.join(live)} must be asked about something"
    if "hub" in fields and not fields.get("file"):
        yield ("source", "hub"), "needs `file`: the path of the rows in that data set"
    for name, teacher in live.items():
        if isinstance(teacher.get("prompt"), str) and "{problem}" not in teacher["prompt"]:
            yield ("teachers", name, "prompt"), "has no {problem}"
        if "sampling" not in teacher and "sampling" not in data:
            yield ("teachers", name), "is asked, and nothing says how: give the recipe `sampling`"
    yield from _unknown_formats(fields, dict(named))
    mapping = fields.get("columns", {})
    if fields.get("format", "columns") in formats.FORMATS and isinstance(mapping, dict):
        for message in formats.wrong_columns(fields.get("format", "columns"), mapping):
            yield ("source", "columns"), message


def _unknown_formats(source: dict[str, Any], teachers: dict[str, Any]) -> Iterator[tuple[strict.Key, str]]:
    written: list[tuple[strict.Key, Any, Collection[str]]] = [
        (("source", "format"), source.get("format"), formats.FORMATS)
    ]
    for name, teacher in teachers.items():
        if isinstance(teacher, dict):
            written.append((("teachers", name, "format"), teacher.get("format"), (OURS, *layouts.FORMATS)))
    for key, wanted, known in written:
        if isinstance(wanted, str) and wanted not in known:
            yield (
                key,
                f"no format {wanted!r}{strict.suggest(wanted, known) or '; there are ' + ', '.join(sorted(known))}",
            )
