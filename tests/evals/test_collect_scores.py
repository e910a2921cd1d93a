"""Step `scores` on folders as lm-eval leaves them, good and bad."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mot_plugin import shipped
from mot_plugin.errors import CheckFailed, FileError, StepFailed
from mot_plugin.evals import collect, integer, scorers
from mot_plugin.tools import lm_eval

DATE = "2026-01-02T03-04-05.678901"
Edit = Callable[[dict[str, Any], list[dict[str, Any]]], None]


def answers(problem: int, k: int) -> list[str]:
    """k different answers to a problem, the first `problem` of them right."""
    return [f"<think>{problem}.{i}</think>\\boxed{{{problem if i < problem else 999}}}" for i in range(k)]


def evaluation(task: str = "mot_a", n: int = 3, k: int = 4) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """lm-eval's results and samples for n invented problems, in the shape of version 0.4.13."""
    samples = [
        {
            "doc_id": i,
            "doc": {"id": str(i), "problem": "?", "answer": str(i)},
            "resps": [answers(i, k)],
            "filter": "all",
            "doc_hash": f"hash-{i}",
        }
        for i in range(n)
    ]
    graded = [integer.metrics(s["doc"], s["resps"][0]) for s in samples]
    reported = {f"{name},all": sum(row[name] for row in graded) / n for name in graded[0]}
    results = {
        "results": {task: {"alias": task, **reported}},
        "configs": {
            task: {
                "repeats": k,
                "metadata": {"version": 1.0, "scorer": "integer"},
                "generation_kwargs": {"do_sample": True, "temperature": 0.6},
            }
        },
        "versions": {task: 1.0},
        "n-samples": {task: {"original": n, "effective": n}},
    }
    return results, samples


def leave(out: Path, results: dict[str, Any], samples: list[dict[str, Any]], task: str = "mot_a") -> None:
    out.mkdir(exist_ok=True)
    (out / f"results_{DATE}.json").write_text(json.dumps(results), encoding="utf-8")
    # In the order in which processes finished, not in the order of the problems.
    lines = "".join(json.dumps(sample) + "\n" for sample in reversed(samples))
    (out / f"samples_{task}_{DATE}.jsonl").write_text(lines, encoding="utf-8")


def test_a_good_evaluation(tmp_path: Path) -> None:
    leave(tmp_path, *evaluation())
    collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["results.json", "samples_mot_a.jsonl", "scores.json"]
    text = (tmp_path / "scores.json").read_text(encoding="utf-8")
    task = json.loads(text)["tasks"]["mot_a"]
    assert task["hits"] == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert task["doc_ids"] == [0, 1, 2]
    assert task["doc_hashes"] == ["hash-0", "hash-1", "hash-2"]
    assert (task["version"], task["problems"], task["problems_available"], task["repeats"]) == (1.0, 3, 3, 4)
    assert (task["settings"]["temperature"], task["settings"]["max_tokens"], task["settings"]["seeds"]) == (
        0.6,
        None,
        None,
    )
    assert task["metrics"]["score"]["value"] == 0.25
    assert task["metrics"]["score"]["stderr"] == pytest.approx(0.25 / 3**0.5)
    assert task["metrics"]["pass_at_k"]["value"] == pytest.approx(2 / 3)
    # The most frequent answer: 999 and wrong, 999 and wrong, and a tie of right and wrong.
    assert task["metrics"]["maj_at_k"]["value"] == pytest.approx((0 + 0 + 0.5) / 3)
    assert task["stderr_sampling"] == pytest.approx(((0 + 1 / 4 + 1 / 3) / 4 / 9) ** 0.5)

    collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))  # once more, on its own result
    assert (tmp_path / "scores.json").read_text(encoding="utf-8") == text


def test_a_task_whose_name_begins_like_another(tmp_path: Path) -> None:
    results, samples = evaluation("mot_a")
    more, other = evaluation("mot_a_2026", n=2)
    for part in results:
        results[part].update(more[part])
    leave(tmp_path, results, samples, "mot_a")
    leave(tmp_path, results, other, "mot_a_2026")
    collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a", "mot_a_2026"]))
    tasks = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["tasks"]
    assert {name: task["problems"] for name, task in tasks.items()} == {"mot_a": 3, "mot_a_2026": 2}


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(StepFailed, match=r"wrote no results file(.|\n)*--output_path"):
        collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))


def test_two_evaluations_in_one_folder(tmp_path: Path) -> None:
    leave(tmp_path, *evaluation())
    (tmp_path / "results_2026-02-03.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StepFailed, match="results of 2 evaluations"):
        collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))


def test_no_samples(tmp_path: Path) -> None:
    leave(tmp_path, *evaluation())
    (tmp_path / f"samples_mot_a_{DATE}.jsonl").unlink()
    with pytest.raises(StepFailed, match="--log_samples"):
        collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    leave(tmp_path, *evaluation())
    file = tmp_path / f"samples_mot_a_{DATE}.jsonl"
    file.write_text(file.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(StepFailed, match="cut off"):
        collect.run(collect.Config(out=str(tmp_path), tasks=["mot_a"]))


def drop_problem(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    samples.pop()


def repeat_problem(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    samples[1] = samples[0]


def drop_answer(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    samples[1]["resps"][0].pop()


def add_answers(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    samples[2]["resps"][0] *= 2


def other_score(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    results["results"]["mot_a"]["score,all"] = 0.5


def no_filter(results: dict[str, Any], samples: list[dict[str, Any]]) -> None:
    results["results"]["mot_a"] = {"score,none": 0.25}


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop_problem, "2 samples .* for 3 problems"),
        (repeat_problem, "3 samples .* for 3 problems; there must be one for each"),
        (drop_answer, "4 answers per problem were asked for, but problem 1 has 3"),
        (add_answers, "problem 2 has 8\n.*one process per model"),
        (other_score, "lm-eval reports score = 0.5, its own samples give 0.25"),
        (no_filter, "reports score = None(.|\n)*filter `all`"),
    ],
)
def test_an_evaluation_that_is_not_what_was_asked(edit: Edit, message: str) -> None:
    results, samples = evaluation()
    edit(results, samples)
    with pytest.raises(CheckFailed, match=message):
        collect.task_scores("mot_a", results, samples)


def test_a_task_that_was_not_run() -> None:
    with pytest.raises(StepFailed, match="mot_b: lm-eval's results have only mot_a"):
        collect.task_scores("mot_b", *evaluation())


def test_a_task_of_somebody_else() -> None:
    results, samples = evaluation()
    results["configs"]["mot_a"]["metadata"] = {"version": 3.0}
    with pytest.raises(FileError, match=r"`scorer: None`(.|\n)*use a task from eval/.*integer"):
        collect.task_scores("mot_a", results, samples)


@pytest.mark.parametrize(("k", "different"), [(2, 1), (4, 1), (16, 2), (16, 7)])
def test_long_answers_that_repeat_each_other(k: int, different: int) -> None:
    results, samples = evaluation(k=k)
    for sample in samples:
        sample["resps"] = [[f"<think>{'so ' * 500}{i % different}</think>" for i in range(k)]]
    with pytest.raises(CheckFailed, match="seed is fixed"):
        collect.task_scores("mot_a", results, samples)


@pytest.mark.parametrize(
    ("length", "generation"),
    [
        (10, {"do_sample": True, "temperature": 0.6}),  # short: by chance
        (2000, {"do_sample": False, "temperature": 0.6}),  # greedy: by design
        (2000, {"do_sample": True, "temperature": 0.0}),
    ],
)
def test_repetition_that_is_no_fault(length: int, generation: dict[str, Any]) -> None:
    results, samples = evaluation()
    for sample in samples:
        sample["resps"] = [[f"<think>{'x' * length}</think>\\boxed{{999}}"] * 4]
    results["configs"]["mot_a"]["generation_kwargs"] = generation
    results["results"]["mot_a"] = {
        "score,all": 0.0,
        "pass_at_k,all": 0.0,
        "truncated,all": 0.0,
        "no_answer,all": 0.0,
        "distinct,all": 0.25,
    }
    assert collect.task_scores("mot_a", results, samples)["metrics"]["distinct"]["value"] == 0.25


def of_shards(results: dict[str, Any], samples: list[dict[str, Any]], numbers: list[int]) -> None:
    """As step `generate` puts shards together: where each answer comes from, and no scores of lm-eval's for all of them."""
    results["shards"] = {"mot_a": [{"shard": number} for number in sorted(set(numbers))]}
    results["results"] = {"mot_a": {}}
    for sample in samples:
        sample["shards"] = numbers


@pytest.mark.parametrize("numbers", [[0, 0, 1, 1], [0, 0, 0, 0]])
def test_shards_were_compared_with_lm_eval_when_they_were_kept(numbers: list[int]) -> None:
    results, samples = evaluation()
    plain = collect.task_scores("mot_a", results, samples)
    of_shards(results, samples, numbers)
    scores = collect.task_scores("mot_a", results, samples)
    assert scores.pop("settings") == plain.pop("settings") | {"shards": len(set(numbers)), "chat_template": None}
    assert scores == (plain | {"shards": 2} if 1 in numbers else plain)


@pytest.mark.parametrize(("length", "same", "refused"), [(2000, 2, True), (2000, 1, False), (10, 3, False)])
def test_shards_that_gave_the_same_answers(length: int, same: int, refused: bool) -> None:  # noqa: FBT001
    results, samples = evaluation()
    of_shards(results, samples, [0, 0, 1, 1])
    for number, sample in enumerate(samples):
        other = "b" if number < same else "y"
        sample["resps"] = [[f"<think>{letter * length}</think>" for letter in ("a", "b", other, "z")]]
    if not refused:
        assert collect.task_scores("mot_a", results, samples)["problems"] == 3
        return
    with pytest.raises(CheckFailed, match="mot_a: shards 1 and 2 gave the same answers to 2 of 3 problems"):
        collect.task_scores("mot_a", results, samples)


def test_what_a_slow_scorer_noted_is_not_found_out_again() -> None:
    """The program's tests are nowhere here: only the verdicts in the samples say whether it passed."""
    from mot_plugin.evals.code import livecodebench
    from mot_plugin.evals.code.run_tests import key

    program = "print(1)"
    verdict = {"verdict": "passed", "test": 0, "key": key(program, "digest")}
    doc = {"id": "1", "problem": "?", "tests_digest": "digest"}
    texts = [f"```python\n{program}\n```", "none"]
    results, samples = evaluation(n=1, k=2)
    results["configs"]["mot_a"]["metadata"]["scorer"] = "livecodebench"
    samples[0] |= {"doc": doc, "resps": [texts], livecodebench.STORED: [verdict]}
    of_shards(results, samples, [0, 1])
    scores = collect.task_scores("mot_a", results, samples)
    assert scores["hits"] == [[1.0, 0.0]]


def test_a_score_of_another_kind_says_so() -> None:
    results, samples = evaluation()
    assert "score_kind" not in collect.task_scores("mot_a", results, samples)
    results["configs"]["mot_a"]["metadata"]["score_kind"] = "string_match"
    assert collect.task_scores("mot_a", results, samples)["score_kind"] == "string_match"


def test_every_task_names_a_scorer_that_is_there() -> None:
    root = shipped.path("eval")
    named = {}
    for file in sorted(root.rglob("*")):
        if file.is_file() and file.suffix in ("", ".yaml"):
            content = yaml.load(file.read_text(encoding="utf-8"), lm_eval.Loader)
            if "scorer" in (content.get("metadata") or {}):
                named[file.name] = content["metadata"]["scorer"]
    assert len(named) > 10
    for name in set(named.values()):
        judge = scorers.scorer("x", {"metadata": {"scorer": name}})
        assert callable(judge.hits)
        assert callable(judge.metrics)
    assert set(scorers.SCORERS) == set(named.values())


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValueError, match="extra"):
        collect.Config.model_validate({"out": ".", "tasks": [], "task": "x"})


def test_what_guessing_scores_stands_beside_it() -> None:
    results, samples = evaluation()
    assert collect.task_scores("mot_a", results, samples)["chance"] == 0
    for sample, letters in zip(samples, ("AB", "ABCD", "ABCD"), strict=True):
        sample["doc"] |= {"letters": letters, "gold": "A", "options": [f"option {letter}" for letter in letters]}
    results["configs"]["mot_a"]["metadata"]["scorer"] = "choice"
    results["shards"] = {"mot_a": [{}]}  # its scores are not those of lm-eval's results
    assert collect.task_scores("mot_a", results, samples)["chance"] == pytest.approx((1 / 2 + 1 / 4 + 1 / 4) / 3)
