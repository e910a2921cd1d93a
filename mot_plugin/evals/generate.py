"""Step `generate`: all answers of one model to all tasks, shard by shard; each part is kept as soon as it is there.

What is kept is not generated again, whoever asked for it. Step `scores` scores what this leaves.
"""

import itertools
import json
import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed, FileError, MotError, StepFailed
from mot_plugin.evals import collect, engines, logged, merge, wanted
from mot_plugin.evals.answered import FILE, Answered
from mot_plugin.evals.engines import Start
from mot_plugin.evals.kept import Entry, Kept
from mot_plugin.evals.shards import Part
from mot_plugin.evals.wanted import Settings
from mot_plugin.store import replace_text
from mot_plugin.tools import lm_eval
from mot_plugin.tools.lm_eval import TaskFile

SHARDS = "shards"
"""Folder in `out` for what each start is given and what it leaves; gone when all is done."""


class Place(BaseModel):
    """Where and how fast it runs: nothing of it makes a finished result stale."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: list[str] = Field(default=[lm_eval.TOOL], min_length=1)
    env: dict[str, str] = {}
    model_args: dict[str, Any] = {}
    batch_size: str | int = "auto"
    device: str | None = None
    gpus: int = Field(default=0, ge=0)
    gpus_per_engine: int = Field(default=1, ge=1)
    datasets: str | None = None
    """Folder of local copies of the benchmarks' data."""
    store: str
    """Folder of what is kept, of all recipes."""


class Config(BaseModel):
    """`model` is a folder, or the name that an endpoint has for it (engines lm_eval.SERVED). `include` is the folder of the
    task files; `limit` asks the first few problems only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    tasks: list[str] = Field(min_length=1)
    engine: str
    seed: int
    shards: int = Field(default=1, ge=1)
    limit: int | None = Field(default=None, ge=1)
    include: str
    place: Place
    out: str
    format: int = 1


@dataclass(frozen=True)
class _Job:
    """One start, and the parts that it is to answer."""

    start: Start
    folder: Path
    parts: tuple[Part, ...]


def run(config: Config) -> None:
    """Write results.json and samples_<task>.jsonl of all shards together.

    Raises StepFailed for engines that failed and CheckFailed for answers that are not what was asked; whatever ran beside
    them is let finish and kept.
    """
    out, place = Path(config.out), config.place
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / SHARDS, ignore_errors=True)  # of an attempt that failed
    kept = Kept(Path(place.store).resolve())  # in a run folder a link, to what may not be there yet
    files = wanted.task_files(Path(config.include), config.tasks)
    settings = wanted.parts(
        kept,
        files,
        model=config.model,
        engine=config.engine,
        model_args=place.model_args,
        tasks=config.tasks,
        seed=config.seed,
        count=config.shards,
        limit=config.limit,
    )
    found = {part: entry for part in settings if (entry := kept.find(settings[part])) is not None}
    for folder in kept.broken:
        _say(f"{folder}: this is not what was kept there, so it is generated again")
    if found:
        _say(f"{len(found)} of {len(settings)} parts were kept: {', '.join(map(_name, found))}")
    _generate(config, files, settings, kept, found)
    merged = {}
    for task in config.tasks:
        finished = [merge.Finished(part, found[part]) for part in settings if part.task == task]
        merged[task] = merge.merge(finished, out / logged.samples_name(task))
    replace_text(out / logged.RESULTS, json.dumps(merge.results(merged), indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(out / SHARDS, ignore_errors=True)
    (out / FILE).unlink(missing_ok=True)


def _generate(
    config: Config,
    files: Sequence[TaskFile],
    settings: dict[Part, Settings],
    kept: Kept,
    found: dict[Part, Entry],
) -> None:
    """Answer the parts that are not among `found`, and put them there."""
    missing = [part for part in settings if part not in found]
    shards = [tuple(group) for _, group in itertools.groupby(missing, key=lambda part: part.shard)]
    places = engines.slices(config.place.gpus, config.place.gpus_per_engine, len(shards))
    jobs = [_job(config, files, parts, len(places)) for parts in shards]
    shares = {job.start.log: sum(part.share for part in job.parts) for job in jobs}
    counts = Answered(Path(config.out), shares, kept=sum(entry.answers for entry in found.values()))
    wrong: list[MotError] = []
    with closing(engines.run([job.start for job in jobs], places, counts.look)) as all_ended:
        for ended in all_ended:
            job = next(job for job in jobs if job.start is ended.start)
            try:
                left = _left(ended, job.folder)
            except StepFailed as error:
                wrong.append(error)
                continue
            for part in job.parts:
                try:
                    found[part] = _keep(kept, settings[part], part, left)
                except (StepFailed, CheckFailed, FileError) as error:
                    wrong.append(type(error)(f"{part.title}: {error}" if part.shards > 1 else str(error)))
    if wrong:
        note = f"{len(found)} of {len(settings)} parts are kept: run again, and only the others are generated"
        kind = StepFailed if any(isinstance(error, StepFailed) for error in wrong) else CheckFailed
        raise kind("\n".join([*map(str, wrong), note]))


def _job(config: Config, files: Sequence[TaskFile], parts: tuple[Part, ...], at_once: int) -> _Job:
    place, tasks = config.place, [part.task for part in parts]
    folder = Path(config.out) / SHARDS / str(parts[0].shard)
    include = config.include
    if config.shards > 1:
        include = str(folder / "tasks")
        wanted.write_files(parts, files, Path(config.include), Path(include))
    unsafe = lm_eval.unsafe(tasks, files)
    metadata: dict[str, Any] = {"mot_data_dir": place.datasets} if place.datasets else {}
    if unsafe and at_once > 1:  # each would take all cores, and programs would miss their time limits
        metadata["mot_code_workers"] = max(1, len(os.sched_getaffinity(0)) // at_once)
    command = lm_eval.evaluate(
        model=config.model,
        tasks=tasks,
        include=include,
        out=str(folder),
        seed=parts[0].seed,
        engine=config.engine,
        model_args=place.model_args,
        batch_size=place.batch_size,
        device=place.device,
        gpus=place.gpus_per_engine,
        metadata=metadata,
        limit=config.limit,
        unsafe=unsafe,
        online=lm_eval.needs_hub(lm_eval.find(tasks, files)) and not place.datasets,
    )
    name = ", ".join(tasks) if config.shards == 1 else f"{parts[0].title} ({', '.join(tasks)})"
    argv = (*place.command, *command.args)
    return _Job(Start(name, argv, {**place.env, **dict(command.env)}, folder / "engine.log"), folder, parts)


def _left(ended: engines.Ended, folder: Path) -> logged.Logged:
    """What a start left. Raises StepFailed, in words, if it failed or left nothing."""
    if ended.wrong is not None:
        raise engines.failure(ended, lm_eval.ADVICE)
    return logged.read(folder)


def _keep(kept: Kept, settings: Settings, part: Part, left: logged.Logged) -> Entry:
    """Check one part as if it were the whole, and keep it. Raises StepFailed, CheckFailed, FileError."""
    samples = [row for row in logged.rows(left.samples_file(part.task)) if row["filter"] == logged.FILTER]
    samples.sort(key=lambda row: int(row["doc_id"]))
    collect.task_scores(part.task, left.results, samples)
    config = left.results["configs"][part.task]
    if config["repeats"] != part.repeats:
        raise CheckFailed(f"lm-eval gave {config['repeats']} answers per problem, asked for {part.repeats}")
    about = {
        "problems": len(samples),
        "results": left.results["results"][part.task],
        "config": config,
        "version": left.results["versions"].get(part.task),
        "n_samples": left.results["n-samples"][part.task],
        "chat_template_sha": left.results.get("chat_template_sha"),
        "lm_eval": {name: left.results.get(name) for name in ("lm_eval_version", "transformers_version", "date")},
    }
    return kept.publish(settings, (_row(part, row) for row in samples), about)


def _row(part: Part, row: dict[str, Any]) -> dict[str, Any]:
    """The sample with the task's own number of its problem, and where each answer comes from.

    lm-eval writes the answers once more as its filter leaves them, which is as they were.
    """
    same = {name: value for name, value in row.items() if name != "filtered_resps"}
    origin = {"shards": [part.shard] * part.repeats, "seeds": [part.seed] * part.repeats}
    return {**same, "doc_id": part.doc_id(row["doc_id"]), **origin}


def _name(part: Part) -> str:
    return part.task if part.shards == 1 else f"{part.task} {part.title}"


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  (a step's log)
