"""Step `ship`: the chosen student as a folder for transformers, vLLM and the hub, with a model card and its provenance."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mot_plugin import __version__, shipped
from mot_plugin.corpus import folder as corpus_folder
from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import TEMPLATE, link_files, read_json, replace_file
from mot_plugin.merging.merged import repair
from mot_plugin.shipping import card, complete, portable, provenance
from mot_plugin.shipping.provenance import Bytes, PlannedStep, Provenance, Shared
from mot_plugin.shipping.student import Config, Student, read

INDEX = "model.safetensors.index.json"

__all__ = ["Config", "run"]


def run(config: Config) -> None:
    """Fill `out`: weights as hard links, the base student's small files, README.md, provenance.json.

    Raises CheckFailed where the folder would not load or its small files contradict each other.
    """
    student, out, base = read(config), Path(config.out), Path(config.base)
    out.mkdir(parents=True, exist_ok=True)
    link_files(student.folder, out)
    for file in list(out.iterdir()):  # a training leaves more than belongs to a model
        if file.suffix != ".safetensors" and file.name not in (INDEX, TEMPLATE) and not (base / file.name).is_file():
            file.unlink()
    repair(out, base)
    _forget_places(out / "config.json")
    complete.check(out)
    card.render(student).save(out / card.FILE)
    files = provenance.files_of(out)
    provenance.write(out, _provenance(config, student, files))
    sys.stdout.write(
        f"{out}: {student.checkpoint.name}, {len(files)} files, {sum(f.size for f in files.values()):,} bytes\n"
    )


def _forget_places(file: Path) -> None:
    """Where a model was loaded from is nobody's business."""
    found = read_json(file)
    if found.pop("_name_or_path", None) is not None:
        replace_file(file, (json.dumps(found, indent=2, sort_keys=True) + "\n").encode())


def _provenance(config: Config, student: Student, files: dict[str, Bytes]) -> Provenance:
    recipe = student.recipe
    environments, machines = Shared("env-"), Shared("machine-")
    seeds = {"recipe": recipe.seed, "evaluation": recipe.eval.seed}
    if recipe.source.file is not None:
        seeds["source"] = recipe.seed if recipe.source.seed is None else recipe.source.seed
    return Provenance(
        made_by={"mot-plugin": __version__, "commit": commit()},
        recipe_name=recipe.name,
        recipe=portable.text(config.recipe),
        cut=config.cut,
        mergekit=config.mergekit,
        inputs=config.inputs,
        seeds=seeds,
        student=_base(student, Path(config.base)),
        source=_source(config),
        corpora={name: _corpus(Path(config.corpora[name]), one.summary) for name, one in student.corpora.items()},
        benchmarks=config.benchmarks,
        machine=config.machine,
        chosen={"checkpoint": dataclasses.asdict(student.checkpoint), **student.choice},
        plan=dict(_planned(environments, machines)),
        environments=environments.known,
        hardware=machines.known,
        files=files,
    )


def _base(student: Student, folder: Path) -> dict[str, Any]:
    """Which model it started from: on the hub its commit, if that was noted, and its weights' own sums."""
    model, _, revision = student.recipe.student.partition("@")
    origin = folder.parent / "origin.json"
    noted = read_json(origin) if origin.is_file() else {}
    weights = {file.name: provenance.sha256(file) for file in sorted(folder.glob("*.safetensors"))}
    name = (
        {"model": student.base_name}
        if student.recipe.student_folder
        else {"model": model, "revision": revision or None}
    )
    return {**name, "commit": noted.get("commit"), "license": student.recipe.student_license, "weights": weights}


def _source(config: Config) -> dict[str, Any] | None:
    """The problems: where they are from, how many, and a sum of their ids in order."""
    if config.source is None:
        return None
    found = read_json(Path(config.source) / "summary.json")
    lines = (Path(config.source) / "problems.jsonl").read_text(encoding="utf-8").splitlines()
    ids = "\n".join(str(json.loads(line)["id"]) for line in lines)
    kept = {
        key: found.get(key) for key in ("hub", "revision", "format", "files", "sample", "seed", "counts", "license")
    }
    return {**kept, "problems": len(lines), "ids_sha256": _text_sha256(ids)}


def _corpus(folder: Path, summary: Any) -> dict[str, Any]:
    """The rows that were trained on, and who said them."""
    cut: list[str] = []
    traces: dict[str, Any] = portable.shorten(summary["traces"], cut)
    ids = [
        json.loads(line)["id"] for line in (folder / corpus_folder.PROVENANCE).read_text(encoding="utf-8").splitlines()
    ]
    return {
        "rows": summary["kept"],
        "prompts": summary["prompts"],
        "samples": summary["samples"],
        "tokens": summary["tokens"]["total"],
        "sha256": provenance.sha256(folder / corpus_folder.ROWS),
        "ids_sha256": _text_sha256("\n".join(map(str, ids))),
        "traces": traces,
    }


def _planned(environments: Shared, machines: Shared) -> Iterator[tuple[str, PlannedStep]]:
    """Every step of the run's plan; the tools of those that this student comes from, as their records say."""
    try:
        plan = json.loads(Path("plan.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckFailed("plan.json: no such file; this step is started in the run folder") from None
    steps = {step["name"]: step for step in plan["steps"]}
    mine = next((step for step in plan["steps"] if step["kind"] == "ship"), None)
    wanted: set[str] = set()
    queue = list(mine["needs"]) if mine else []
    while queue:
        name = queue.pop()
        queue += [] if name in wanted else steps[name]["needs"]
        wanted.add(name)
    for name, step in steps.items():
        record = _record(name) if name in wanted else {}
        tools = {tool: environments.key(found) for tool, found in (record.get("tools") or {}).items() if found}
        where = record.get("hardware")
        yield (
            name,
            PlannedStep(
                kind=step["kind"],
                fingerprint=plan["prints"][name],
                parts=plan["parts"][name],
                tools=tools,
                hardware=machines.key(where) if where else None,
            ),
        )


def _record(step: str) -> dict[str, Any]:
    """What the store has on record of a finished step; nothing where it was not needed."""
    file = Path("artifacts", step).resolve().parent / "record.json"
    return read_json(file) if file.is_file() else {}


def commit() -> str | None:
    """The commit of the checkout that this code runs from; None for an installed package."""
    git = shipped.path() / ".git"
    try:
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        reference = head.removeprefix("ref: ")
        if reference != head:
            loose, packed = git / reference, git / "packed-refs"
            text = packed.read_text(encoding="utf-8") if not loose.is_file() else ""
            listed = re.search(rf"^([0-9a-f]{{40}}) {re.escape(reference)}$", text, re.MULTILINE)
            head = loose.read_text(encoding="utf-8").strip() if loose.is_file() else listed[1] if listed else ""
    except OSError:
        return None
    return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else None


def _text_sha256(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()
