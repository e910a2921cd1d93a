"""One evaluation by hand, as a run would do it: of a folder, a hub's model, a student of a run, or a model at an endpoint."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mot_plugin import claims, sharing
from mot_plugin.compare import CUT_OFF
from mot_plugin.environments import contained
from mot_plugin.errors import FileError
from mot_plugin.evals import catalogue, collect, generate, levels
from mot_plugin.machine import Machine
from mot_plugin.step import digest
from mot_plugin.store import Store, replace_text
from mot_plugin.subject import Subject
from mot_plugin.tools import lm_eval
from mot_plugin.tools.call import BINDS, outermost

ABOUT = "evaluation.json"
"""File in the folder of an evaluation: what was asked. Scores of something else never go into the same folder."""
LOG = "evaluate.log"
SERVED = "local-chat-completions"
"""lm-eval's engine for an endpoint."""
MODEL_ARGS = {"max_length": 40960, "max_retries": 8, "timeout": 7200}
"""For an endpoint, where lm-eval has room for 2,048 tokens, tries thrice, and gives up after five minutes."""


@dataclass(frozen=True)
class Asked:
    """What is asked of it. The number of shards is part of the answer: each has a seed of its own."""

    tasks: tuple[str, ...]
    seed: int = 1
    shards: int = 1
    limit: int | None = None


def config(subject: Subject, asked: Asked, machine: Machine, out: Path | None, concurrent: int = 8) -> generate.Config:
    """The step's config, with absolute paths; without `out` a folder of its own beside the machine's runs."""
    place, tool = machine.eval, machine.tool(lm_eval.TOOL)
    engine: str = place.engine
    model_args: dict[str, Any] = place.model_args
    if subject.endpoint is not None:
        engine = SERVED
        model_args = {**MODEL_ARGS, "num_concurrent": concurrent, "base_url": subject.endpoint}
    folder = (out or Path(machine.storage.runs) / "evaluations" / _name(subject, asked, engine)).resolve()
    hidden = {} if machine.gpu_count else {"CUDA_VISIBLE_DEVICES": ""}
    return generate.Config(
        model=subject.model,
        tasks=list(asked.tasks),
        engine=engine,
        seed=asked.seed,
        shards=asked.shards,
        limit=asked.limit,
        include=str(folder / "eval"),
        place=generate.Place(
            command=tool.command,
            env={**machine.env, **tool.env, **hidden, **_bound(machine, folder, subject)},
            model_args=model_args,
            batch_size=1 if subject.endpoint else place.batch_size,
            device=None if subject.endpoint else place.device,
            gpus=machine.gpus_for("evaluate"),
            gpus_per_engine=place.engine_gpus,
            datasets=str(Path(machine.storage.datasets).resolve()) if machine.storage.datasets else None,
            store=str(_store(machine, folder, subject)),
        ),
        out=str(folder),
    )


def _bound(machine: Machine, folder: Path, subject: Subject) -> dict[str, str]:
    """What lm-eval has to see if it lives in a container."""
    if not contained(machine.tools.values()):
        return {}
    seen = [folder, _store(machine, folder, subject), Path(subject.model), Path(machine.storage.datasets or folder)]
    return {BINDS: os.pathsep.join(outermost(str(place.resolve()) for place in seen if place.exists()))}


def run(wanted: generate.Config) -> dict[str, Any]:
    """Answer what nobody has answered yet, score everything, and return the tasks of scores.json. Output goes into LOG.

    Raises FileError when the folder is of another evaluation, RunConflict while another process works in it, and what the
    steps `generate` and `scores` raise: what was answered until then is kept, and the same again goes on from there.
    """
    out = Path(wanted.out)
    sharing.let_the_group_write(Store(Path(wanted.place.store).parent))
    with _locked(out):
        _claim(out, wanted)
        shutil.rmtree(wanted.include, ignore_errors=True)
        for file in lm_eval.find(wanted.tasks, catalogue.files()):
            target = Path(wanted.include) / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file.text, encoding="utf-8")
        with (out / LOG).open("w", encoding="utf-8") as log, redirect_stdout(log):
            generate.run(wanted)
            collect.run(collect.Config(out=wanted.out, tasks=wanted.tasks))
    scores: dict[str, Any] = json.loads((out / "scores.json").read_text(encoding="utf-8"))["tasks"]
    return scores


def remarks(scored: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of one task's score should know, in words."""
    problems, available, k = scored["problems"], scored["problems_available"], scored["repeats"]
    if problems < available:
        yield f"only the first {problems} of {available} problems: it compares with nothing but these {problems}"
    if kind := scored.get("score_kind"):
        yield f"a score of another kind ({kind}), not for one column with others"
    metrics = {name: one["value"] for name, one in scored["metrics"].items()}
    if metrics.get("truncated", 0) > CUT_OFF:
        yield f"{metrics['truncated']:.1%} of the answers were cut off before their thought ended"
    if k > 1 and metrics.get("distinct", 1) <= 1 / k + (1 - 1 / k) / 4:
        yield f"of {k} answers to a problem only {metrics['distinct'] * k:.1f} differ: is the seed fixed somewhere?"
    if words := levels.at_chance(levels.level(scored["hits"]), problems, scored["chance"]):
        yield words


def _name(subject: Subject, asked: Asked, engine: str) -> str:
    """What a person recognizes, and six digits so that two evaluations never share a folder."""
    whole = digest([subject.model, subject.endpoint, engine, asdict(asked)])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", subject.label) + "-" + whole[:6]


def _store(machine: Machine, out: Path, subject: Subject) -> Path:
    """Where finished parts are kept: with those of all runs. An endpoint may serve another model under the same name
    tomorrow, so what it says is kept for this evaluation only."""
    if subject.endpoint is not None:
        return out / "kept"
    return Path(machine.storage.store or Path(machine.storage.runs) / ".store").resolve() / "evals"


def _claim(out: Path, wanted: generate.Config) -> None:
    """Say in the folder what it is for. Raises FileError when it is for something else."""
    about = wanted.model_dump(exclude={"place", "include", "out"})
    about["endpoint"] = wanted.place.model_args.get("base_url")
    file = out / ABOUT
    if file.is_file():
        before = json.loads(file.read_text(encoding="utf-8"))
        if before != about:
            differing = ", ".join(key for key in about if before.get(key) != about[key])
            raise FileError(f"{out} is of another evaluation ({differing}): name another folder with --out")
    elif any(not path.name.startswith(".") for path in out.iterdir()):
        raise FileError(f"{out} has something else in it: name a new folder with --out")
    replace_text(file, json.dumps(about, indent=1, ensure_ascii=False) + "\n")


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """One process at a time."""
    busy = f"another process evaluates into {out} ({{holder}}): wait for it, or name another folder"
    with claims.held(out / ".claim", busy):
        yield
