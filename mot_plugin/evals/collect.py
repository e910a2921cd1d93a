"""Step `scores`: check what lm-eval left in a folder, score its raw answers once more, and write scores.json.

lm-eval ends with exit code 0 when it could not write a file, when it kept one answer of sixteen and when all sixteen
are the same; so nothing here is taken on trust. The folder is lm-eval's own, or one that step `generate` put together.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from mot_plugin.errors import CheckFailed, StepFailed
from mot_plugin.evals import logged, settings, statistics
from mot_plugin.evals.levels import guessed, majority
from mot_plugin.evals.logged import FILTER
from mot_plugin.evals.scorers import asked, scorer

LONG = 1000  # characters; shorter answers may well be sampled twice by chance, longer ones never are
ADVICE_SEED = (
    "  the random seed is fixed somewhere: a server that gets lm-eval's seed with every request (--gen_kwargs "
    "seed=None), data_parallel_size above 1 in vLLM (all replicas have one seed), or --use_cache"
)

Sample = Mapping[str, Any]


class Config(pydantic.BaseModel):
    """`out` is the folder lm-eval wrote into (`--output_path <out>/results.json --log_samples`), or step `generate`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    out: str
    tasks: list[str]
    format: int = 1


def run(config: Config) -> None:
    """Write scores.json, and give lm-eval's files names without a date: results.json, samples_<task>.jsonl.

    Raises StepFailed when files or tasks are missing, CheckFailed when they are not what the tasks ask for.
    """
    out = Path(config.out)
    left = logged.read(out)
    renames: list[tuple[Path, Path]] = []
    tasks = {}
    for task in config.tasks:
        samples_file = left.samples_file(task)
        renames.append((samples_file, out / logged.samples_name(task)))
        tasks[task] = task_scores(task, left.results, list(logged.rows(samples_file)))
    for old, new in [*renames, (left.file, out / logged.RESULTS)]:
        old.rename(new)
    text = json.dumps({"tasks": tasks}, indent=1, sort_keys=True, ensure_ascii=False)
    (out / "scores.json").write_text(text + "\n", encoding="utf-8")


def task_scores(task: str, results: Mapping[str, Any], samples: Sequence[Sample]) -> dict[str, Any]:
    """The entry of one task in scores.json, from lm-eval's results and its samples of that task.

    Raises StepFailed when the task is not in the results, FileError when it names no scorer of ours, CheckFailed when
    problems or answers are missing, when answers repeat each other, or when our scores are not lm-eval's.
    """
    if task not in results.get("results", {}):
        raise StepFailed(f"{task}: lm-eval's results have only {', '.join(sorted(results.get('results', {})))}")
    config = results["configs"][task]
    judge = scorer(task, config)
    samples = sorted((s for s in samples if s["filter"] == FILTER), key=lambda sample: sample["doc_id"])
    count = results["n-samples"][task]
    texts = _checked_texts(task, samples, problems=count["effective"], repeats=config["repeats"])
    if _sampled(config.get("generation_kwargs") or {}):
        _check_distinct(task, texts)
        _check_shards(task, samples, texts)

    hits = [list(judge.hits(asked(one), answers)) for one, answers in zip(samples, texts, strict=True)]
    graded = [judge.metrics(asked(one), answers) for one, answers in zip(samples, texts, strict=True)]
    metrics = {name: _metric([row[name] for row in graded]) for name in graded[0]}
    metrics["score"]["value"] = statistics.mean(hits)  # the same number, without the rounding of a sum of floats
    parts = results.get("shards", {}).get(task)
    if parts is None:  # what `generate` kept was compared when it was kept: a better scorer may say something else now
        _check_same(task, metrics, results["results"][task])
    # Ours alone: lm-eval's list of metrics is the task's. Scorers whose answers have one form each can be voted by.
    if (read := getattr(judge, "read", None)) is not None and config["repeats"] > 1:
        given = [read(asked(one), answers) for one, answers in zip(samples, texts, strict=True)]
        metrics["maj_at_k"] = _metric(majority(given, hits))
    return {
        "version": results["versions"].get(task),
        "problems": len(hits),
        "problems_available": count["original"],
        "repeats": config["repeats"],
        "settings": settings.of_task(config, results, samples, task),
        "metrics": metrics,
        "chance": sum(guessed(sample["doc"]) for sample in samples) / len(samples),
        "stderr_sampling": statistics.sampling_stderr(hits),
        "hits": hits,
        "doc_ids": [sample["doc_id"] for sample in samples],
        "doc_hashes": [sample["doc_hash"] for sample in samples],
        **({"shards": len(parts)} if parts and len(parts) > 1 else {}),
        **{key: value for key, value in (config.get("metadata") or {}).items() if key == "score_kind"},
    }


def _metric(values: Sequence[float]) -> dict[str, float | None]:
    return {"value": sum(values) / len(values), "stderr": statistics.stderr_of_mean(values)}


def _checked_texts(task: str, samples: Sequence[Sample], *, problems: int, repeats: int) -> list[list[str]]:
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


def _sampled(generation: Mapping[str, Any]) -> bool:
    return generation.get("do_sample") is not False and float(generation.get("temperature") or 0) > 0


def _check_distinct(task: str, texts: Sequence[Sequence[str]]) -> None:
    """Raise CheckFailed when sampled long answers repeat each other: then k runs are not k runs."""
    k = len(texts[0])
    long = [answers for answers in texts if sum(map(len, answers)) >= LONG * k]
    if k < 2 or not long:
        return
    share = sum(len(set(answers)) / k for answers in long) / len(long)
    if share < 0.5 or share == 1 / k:
        raise CheckFailed(
            f"{task}: of {k} sampled answers per problem only {share * k:.1f} differ, so they are not {k} runs\n"
            f"{ADVICE_SEED}"
        )


def _check_shards(task: str, samples: Sequence[Sample], texts: Sequence[Sequence[str]]) -> None:
    """Raise CheckFailed when two shards gave the same long answers: then their seeds did not reach the engine."""
    said: dict[tuple[int, int], list[bool]] = {}
    for sample, answers in zip(samples, texts, strict=True):
        for (one, first), (other, second) in itertools.combinations(_by_shard(sample, answers), 2):
            if min(map(len, (*first, *second))) >= LONG:
                said.setdefault((one, other), []).append(not first.isdisjoint(second))
    for (one, other), same in said.items():
        if sum(same) * 2 > len(same):
            raise CheckFailed(
                f"{task}: shards {one + 1} and {other + 1} gave the same answers to {sum(same)} of {len(same)} problems, "
                f"so they are not runs of their own\n{ADVICE_SEED}"
            )


def _by_shard(sample: Sample, answers: Sequence[str]) -> Iterator[tuple[int, set[str]]]:
    numbers = sample.get("shards") or []
    for shard in dict.fromkeys(numbers):
        yield shard, {answer for answer, number in zip(answers, numbers, strict=True) if number == shard}


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
