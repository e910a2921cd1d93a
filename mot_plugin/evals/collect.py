"""Step `scores`: check what lm-eval left in a folder, score its raw answers once more, and write scores.json.

lm-eval ends with exit code 0 when it could not write a file, when it kept one answer of sixteen and when all sixteen
are the same; so nothing here is taken on trust.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from mot_plugin.errors import CheckFailed, FileError, StepFailed
from mot_plugin.evals import integer, statistics

FILTER = "all"  # the name of the filter in our tasks, and so the second half of lm-eval's metric names
LONG = 1000  # characters; shorter answers may well be sampled twice by chance, longer ones never are


class Config(pydantic.BaseModel):
    """`out` is the folder lm-eval wrote into (`--output_path <out>/results.json --log_samples`)."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    out: str
    tasks: list[str]
    format: int = 1


@dataclass(frozen=True)
class Scorer:
    """How the raw answers to one problem are judged: hit or miss each, and the metrics of the problem."""

    hits: Callable[[Mapping[str, Any], Sequence[str]], list[int]]
    metrics: Callable[[Mapping[str, Any], Sequence[str]], dict[str, float]]


SCORERS = {"integer": Scorer(integer.hits, integer.metrics)}  # a task names its own in metadata.scorer


def run(config: Config) -> None:
    """Write scores.json, and give lm-eval's files names without a date: results.json, samples_<task>.jsonl.

    Raises StepFailed when files or tasks are missing, CheckFailed when they are not what the tasks ask for.
    """
    out = Path(config.out)
    results_file = _results_file(out)
    results = _parse(results_file.read_text(encoding="utf-8"), results_file)
    renames: list[tuple[Path, Path]] = []
    tasks = {}
    for task in config.tasks:
        samples_file = _samples_file(out, task, results_file)
        renames.append((samples_file, out / f"samples_{task}.jsonl"))
        tasks[task] = task_scores(task, results, _read_samples(samples_file))
    for old, new in [*renames, (results_file, out / "results.json")]:
        old.rename(new)
    text = json.dumps({"tasks": tasks}, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "scores.json").write_text(text + "\n", encoding="utf-8")


def task_scores(task: str, results: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entry of one task in scores.json, from lm-eval's results and its samples of that task.

    Raises StepFailed when the task is not in the results, FileError when it names no scorer of ours, CheckFailed when
    problems or answers are missing, when answers repeat each other, or when our scores are not lm-eval's.
    """
    if task not in results.get("results", {}):
        raise StepFailed(f"{task}: lm-eval's results have only {', '.join(sorted(results.get('results', {})))}")
    config = results["configs"][task]
    scorer = _scorer(task, config)
    samples = sorted((s for s in samples if s["filter"] == FILTER), key=lambda sample: sample["doc_id"])
    count = results["n-samples"][task]
    texts = _checked_texts(task, samples, problems=count["effective"], repeats=config["repeats"])
    _check_distinct(task, texts, config.get("generation_kwargs") or {})

    hits = [scorer.hits(sample["doc"], answers) for sample, answers in zip(samples, texts, strict=True)]
    graded = [scorer.metrics(sample["doc"], answers) for sample, answers in zip(samples, texts, strict=True)]
    metrics = {name: _metric([row[name] for row in graded]) for name in graded[0]}
    metrics["score"]["value"] = statistics.mean(hits)  # the same number, without the rounding of a sum of floats
    _check_same(task, metrics, results["results"][task])
    return {
        "version": results["versions"].get(task),
        "problems": len(hits),
        "problems_available": count["original"],
        "repeats": config["repeats"],
        "metrics": metrics,
        "stderr_sampling": statistics.sampling_stderr(hits),
        "hits": hits,
        "doc_ids": [sample["doc_id"] for sample in samples],
        "doc_hashes": [sample["doc_hash"] for sample in samples],
    }


def _metric(values: Sequence[float]) -> dict[str, float | None]:
    return {"value": sum(values) / len(values), "stderr": statistics.stderr_of_mean(values)}


def _results_file(out: Path) -> Path:
    found = sorted([*out.glob("results_*.json"), *out.glob("results.json")])
    if len(found) == 1:
        return found[0]
    if found:
        raise StepFailed(
            f"{out} holds the results of {len(found)} evaluations: {', '.join(file.name for file in found)}\n"
            "  one folder takes one; move the others away"
        )
    raise StepFailed(
        f"{out}: lm-eval wrote no results file there\n"
        f"  start it with --output_path {out}/results.json; if that was done, its log says why (it exits with 0 anyway)"
    )


def _samples_file(out: Path, task: str, results_file: Path) -> Path:
    # The date joins the files of one evaluation; a plain name is left over from an attempt that was cut off in between.
    date = results_file.stem.removeprefix("results")
    for file in (out / f"samples_{task}{date}.jsonl", out / f"samples_{task}.jsonl"):
        if file.is_file():
            return file
    raise StepFailed(f"{out}: no samples_{task}{date}.jsonl; start lm-eval with --log_samples and with this task")


def _read_samples(file: Path) -> list[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        return [_parse(line, file) for line in lines]


def _parse(text: str, file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise StepFailed(f"{file}: cut off or not JSON ({error}); was the disk full? evaluate again") from error
    return content


def _scorer(task: str, config: Mapping[str, Any]) -> Scorer:
    name = (config.get("metadata") or {}).get("scorer")
    if name not in SCORERS:
        raise FileError(
            f"{task}: its metadata has `scorer: {name}`, so its answers cannot be scored again\n"
            f"  use a task from eval/, or write one with one of these scorers: {', '.join(sorted(SCORERS))}"
        )
    return SCORERS[name]


def _checked_texts(task: str, samples: Sequence[Mapping[str, Any]], *, problems: int, repeats: int) -> list[list[str]]:
    """The n lists of k raw answers. Raises CheckFailed unless there are n different problems with k answers each."""
    if len({sample["doc_id"] for sample in samples}) != len(samples) or len(samples) != problems or problems == 0:
        raise CheckFailed(
            f"{task}: {len(samples)} samples (filter `{FILTER}`) for {problems} problems; there must be one for each\n"
            "  the samples are incomplete or of two evaluations: evaluate again into an empty folder"
        )
    texts: list[list[str]] = [list(sample["resps"][0]) for sample in samples]
    wrong = [f"{s['doc_id']} has {len(t)}" for s, t in zip(samples, texts, strict=True) if len(t) != repeats]
    if wrong:
        raise CheckFailed(
            f"{task}: {repeats} answers per problem were asked for, but problem {', '.join(wrong[:5])}\n"
            "  lm-eval on several processes pads its last batch with copies: evaluate in one process per model"
        )
    return texts


def _check_distinct(task: str, texts: Sequence[Sequence[str]], generation: Mapping[str, Any]) -> None:
    """Raise CheckFailed when sampled long answers repeat each other: then k runs are not k runs."""
    k = len(texts[0])
    sampled = generation.get("do_sample") is not False and float(generation.get("temperature") or 0) > 0
    long = [answers for answers in texts if sum(map(len, answers)) >= LONG * k]
    if k < 2 or not sampled or not long:
        return
    share = sum(len(set(answers)) / k for answers in long) / len(long)
    if share < 0.5 or share == 1 / k:
        raise CheckFailed(
            f"{task}: of {k} sampled answers per problem only {share * k:.1f} differ, so they are not {k} runs\n"
            "  the random seed is fixed somewhere: a server that gets lm-eval's seed with every request (--gen_kwargs "
            "seed=None), data_parallel_size above 1 in vLLM (all replicas have one seed), or --use_cache"
        )


def _check_same(task: str, ours: Mapping[str, Mapping[str, float | None]], theirs: Mapping[str, Any]) -> None:
    """Raise CheckFailed unless lm-eval reported the values that its own samples give."""
    for name, metric in ours.items():
        reported = theirs.get(f"{name},{FILTER}")
        value = metric["value"]
        if not isinstance(reported, (int, float)) or value is None or not abs(value - reported) < 1e-9:
            raise CheckFailed(
                f"{task}: lm-eval reports {name} = {reported}, its own samples give {value}\n"
                f"  either the scorer changed since the evaluation, or the task drops answers (it needs the filter "
                f"`{FILTER}`, see eval/README.md): evaluate again with this version"
            )
