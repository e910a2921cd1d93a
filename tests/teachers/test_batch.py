"""Requests written for another place, and results taken in: in any order, in parts, twice, broken, or of somebody else."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from batch_results import answered, expired, refused, requests, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.problems import Problem
from mot_plugin.teachers import batch, sampled
from mot_plugin.teachers.asking import Line, Sampling, custom_id
from mot_plugin.teachers.drawing import Drawing
from mot_plugin.teachers.draws import Draw
from mot_plugin.teachers.progress import Progress
from mot_plugin.teachers.samples import open_samples
from mot_plugin.teachers.traces import TraceFile
from mot_plugin.teachers.verdicts import Judge
from mot_plugin.teachers.verify import Verifier

PROMPTS, N = 6, 4
PROBLEMS = [Problem(f"p{n}", f"What is {n} + 30?", (str(n + 30),)) for n in range(PROMPTS)]
SAMPLING: dict[str, Any] = {"n": N, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "max_tokens": 300}
Made = Callable[..., Any]


@contextmanager
def drawing(root: Path, **changed: Any) -> Iterator[Drawing]:
    """A drawing over the samples below `root`, as the step makes it."""
    own = {key: changed.pop(key) for key in ("model", "seed", "prompt") if key in changed}
    line = Line(own.get("model", "org/teacher@1"), Sampling(**SAMPLING | changed), own.get("seed", 0))
    prompt = own.get("prompt", "{problem}")
    with open_samples(root, line) as samples, Verifier() as verifier:
        judge, progress = Judge("answers", verifier), Progress(root / "nobody-watches", PROMPTS)
        yield Drawing(line, prompt, prompt, samples, judge, lambda *_: True, progress, name="served-as")


def export(root: Path, out: str = "out", each: int | None = None, per_file: int = 1000, **changed: Any) -> list[Any]:
    with drawing(root, **changed) as made:
        batch.export(made, PROBLEMS, root / out, each, per_file)
    return requests(root / out)


def take(root: Path, results: list[dict[str, Any]], **changed: Any) -> batch.Imported:
    with drawing(root, **changed) as made:
        return batch.take(made, PROBLEMS, [write(root / "results.jsonl", results)])


def on_disk(root: Path, **changed: Any) -> dict[str, Any]:
    """Body of every sample, by its name."""
    with drawing(root, **changed) as made:
        names = [custom_id(made.user(problem), index) for problem in PROBLEMS for index in range(N)]
        return {name: made.samples.read(name).body for name in names if name in made.samples}


def test_requests_are_those_that_an_endpoint_would_be_asked(tmp_path: Path) -> None:
    sent = export(tmp_path, per_file=10)
    assert [file.read_bytes().count(b"\n") for file in sorted((tmp_path / "out").iterdir())] == [10, 10, 4]
    names = [one["custom_id"] for one in sent]
    assert len(set(names)) == PROMPTS * N
    assert max(map(len, names)) <= 64
    with drawing(tmp_path) as made:
        bodies = [made.line.body(problem.problem, index, "served-as") for problem in PROBLEMS for index in range(N)]
    assert [one["body"] for one in sent] == bodies
    assert {(one["method"], one["url"]) for one in sent} == {("POST", "/v1/chat/completions")}
    with pytest.raises(FileError, match="holds requests already"):
        export(tmp_path)


def test_answers_become_samples_and_are_not_asked_again(tmp_path: Path) -> None:
    sent = export(tmp_path)
    results = [answered(one) for one in sent]
    assert take(tmp_path, results) == batch.Imported(PROMPTS * N, 0, {})
    assert list(on_disk(tmp_path).values()) == [one["response"]["body"] for one in results]
    assert export(tmp_path, "again") == []
    assert take(tmp_path, results) == batch.Imported(0, PROMPTS * N, {})


def test_one_sample_at_a_time_asks_no_more_than_an_endpoint(tmp_path: Path) -> None:
    """`--each 1` after each import: as many requests as until_correct draws."""
    asked = 0
    for turn in itertools.count():
        sent = export(tmp_path, f"turn-{turn}", each=1)
        if not sent:
            break
        asked += len(sent)
        take(tmp_path, [answered(one) for one in sent])
    assert turn > 1
    with drawing(tmp_path) as made:
        batch.export(made, PROBLEMS, tmp_path / "last", None, 10)
        assert made.unfinished == []
        drawn = [one for draws in made.drawn.values() for one in draws]
    assert asked == len(drawn) < PROMPTS * N


def test_what_failed_is_counted_by_reason_and_exported_again(tmp_path: Path) -> None:
    sent = export(tmp_path)
    empty = answered(sent[3]) | {"response": {"status_code": 200, "body": {"choices": []}}}
    results = [refused(sent[0]), refused(sent[1], 500), expired(sent[2]), empty, answered(sent[4])]
    found = take(tmp_path, results)
    assert found == batch.Imported(1, 0, {"http_400": 1, "http_500": 1, "batch_expired": 1, "no_choice": 1})
    again = [one["custom_id"] for one in export(tmp_path, "again", mode="all")]
    assert again == [one["custom_id"] for one in sent if one is not sent[4]]


@pytest.mark.parametrize(
    "changed",
    [
        {"temperature": 0.7},
        {"top_k": None},
        {"max_tokens": 200},
        {"extra": {"min_p": 0.1}},
        {"model": "org/teacher@2"},
        {"seed": 1},
        {"prompt": "{problem} Box it."},
    ],
)
def test_results_of_another_recipe_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """Whatever makes another sample of it: only the request's name comes back, so the name must know."""
    ours, theirs = export(tmp_path), export(tmp_path, "theirs", **changed)
    with pytest.raises(FileError, match=rf"1 of {1 + len(ours)} results answer no request of this recipe.*Nothing was"):
        take(tmp_path, [*map(answered, ours), answered(theirs[0])])
    assert on_disk(tmp_path) == {}


@pytest.mark.parametrize("changed", [{"mode": "all"}, {"max_tokens_total": 10}, {"n": N + 1}])
def test_results_of_a_recipe_that_shares_samples_are_not(tmp_path: Path, changed: dict[str, Any]) -> None:
    sent = export(tmp_path, **SAMPLING | {"n": N})
    assert take(tmp_path, [answered(one) for one in sent], **changed).added == PROMPTS * N


@pytest.mark.parametrize(
    "line",
    [
        b'{"custom_id": "half',
        b"[1]",
        b"null",
        b'"text"',
        b'{"response": {"status_code": 200}}',
        b'{"custom_id": "x", "response": "text"}',
        b"\xff\xfe",
    ],
)
def test_a_broken_line_is_named_and_nothing_is_imported(tmp_path: Path, line: bytes) -> None:
    results = write(tmp_path / "results.jsonl", map(answered, export(tmp_path)))
    results.write_bytes(b"\n".join([*results.read_bytes().split(b"\n")[:3], line, b""]))
    with drawing(tmp_path) as made, pytest.raises(FileError, match=r"results\.jsonl:4 is not a result of a batch"):
        batch.take(made, PROBLEMS, [results])
    assert on_disk(tmp_path) == {}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with drawing(tmp_path) as made, pytest.raises(MissingInput, match=r"results-002\.jsonl: no such file"):
        batch.take(made, PROBLEMS, [tmp_path / "results-002.jsonl"])


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_order_parts_and_repeats_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("any")
    sent = export(root)
    picked = data.draw(st.lists(st.tuples(st.sampled_from(range(len(sent))), st.booleans()), max_size=40))
    results = [answered(sent[number]) if good else refused(sent[number]) for number, good in picked]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(results)), max_size=3)))
    parts = [results[start:end] for start, end in itertools.pairwise([0, *cuts, len(results)])]
    files = [write(root / f"results-{number}.jsonl", part) for number, part in enumerate(parts)]
    turns = data.draw(st.sampled_from([[files], [[file] for file in files]]))
    counts = Counter[str]()
    for turn in turns:
        with drawing(root) as made:
            found = batch.take(made, PROBLEMS, turn)
        counts.update(added=found.added, lines=found.added + found.known + sum(found.failed.values()))
    good = {number for number, is_good in picked if is_good}
    assert (counts["added"], counts["lines"]) == (len(good), len(results))
    bodies = [answered(sent[number])["response"]["body"] for number in sorted(good)]
    assert list(on_disk(root).values()) == bodies


def test_half_a_sign_is_kept_and_becomes_a_sign(tmp_path: Path) -> None:
    """A completion that ends within an emoji; JSON's escapes can say it, and a file in UTF-8 cannot."""
    result = answered(export(tmp_path)[0])
    choice = result["response"]["body"]["choices"][0]
    choice["message"]["content"] = f"<think>\nIt is \U0001f600\ud83d\n</think>\n\n\\boxed{{{30}}}"
    assert take(tmp_path, [result]).added == 1
    assert list(on_disk(tmp_path).values()) == [result["response"]["body"]]
    with drawing(tmp_path) as made:
        asyncio.run(made.from_disk(PROBLEMS))
        sampled.write(tmp_path, "anna", made.prompt, made.line, [(PROBLEMS[0], made.drawn["p0"])], made.record)
    (prompt,) = TraceFile(tmp_path / sampled.TRACES).prompts()
    assert prompt.samples[0].text.startswith("<think>\nIt is \U0001f600\ufffd\n</think>")


WORDS = ("content", "reasoning_content", "reasoning_details", "refusal", "finish_reason", "type", "text", "code")
FIELDS = ("custom_id", "response", "error", "status_code", "body", "choices", "message", "usage", *WORDS)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=5)  # half a surrogate pair too: JSON can say it
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.sampled_from(WORDS), JSON, max_size=3) | st.fixed_dictionaries({"content": ANY_TEXT})
BODIES = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": MESSAGES}, optional={"finish_reason": JSON}), max_size=2)},
    optional={"usage": JSON, "model": JSON},
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(line=JSON | BODIES.map(lambda body: {"response": {"status_code": 200, "body": body}}))
def test_whatever_a_line_holds_is_an_error_in_words_a_failure_or_a_sample(
    tmp_path_factory: pytest.TempPathFactory, line: Any
) -> None:
    root = tmp_path_factory.mktemp("shape")
    with drawing(root) as made:
        name = batch._sent_as(made, PROBLEMS[0].problem, 0)
        (root / "results.jsonl").write_text(json.dumps(line | {"custom_id": name} if isinstance(line, dict) else line))
        try:
            found = batch.take(made, PROBLEMS, [root / "results.jsonl"])
        except FileError:
            return
        assert found.added + found.known + sum(found.failed.values()) == 1
        asyncio.run(made.from_disk(PROBLEMS))
        assert made.progress.found == found.added
        drawn = [(PROBLEMS[0], [Draw(0, "unverified", accepted=True, tokens=None)][: found.added])]
        sampled.write(root, "anna", made.prompt, made.line, drawn, made.record)
    (prompt,) = TraceFile(root / sampled.TRACES).prompts()
    assert len(prompt.samples) == found.added
