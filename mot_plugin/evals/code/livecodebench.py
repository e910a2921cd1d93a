"""Scorer of LiveCodeBench: the program in each answer passes all tests of its problem, or does not.

The one scorer that must run something. So every verdict goes into lm-eval's samples with the digest of what it depends
on, and scoring those samples again runs nothing: a verdict counts for as long as that digest is the same.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mot_plugin.answers import split_thinking
from mot_plugin.evals.code import problems
from mot_plugin.evals.code.extract import program
from mot_plugin.evals.code.run_tests import Verdict, key

STORED = "verdicts"  # the name of the samples' column with one Grade per answer, and of a metric that says how many
VERDICTS = ("compile_error", "runtime_error", "timeout", "wrong_answer", "no_code", "truncated", "ungraded")


@dataclass(frozen=True)
class Grade:
    """What became of one answer: `passed`, or one of VERDICTS and the number of the test it failed at (0: none was run).

    `key` is the digest of rules, tests and program that the verdict holds for, empty where there is no program.
    """

    verdict: str
    test: int = 0
    key: str = ""

    @property
    def hit(self) -> bool:
        """Whether it passed every test."""
        return self.verdict == "passed"


def grade(text: str, doc: Mapping[str, Any]) -> Grade:
    """Judge one raw answer: the program in its last code block, after the thought, must pass all tests."""
    return grades(doc, [text])[0]


def grades(doc: Mapping[str, Any], texts: Sequence[str]) -> list[Grade]:
    """Judge the k raw answers to `doc`: by the verdicts stored in it (`verdicts`, from a sample), else by running programs.

    Raises MissingInput when programs would have to be run and their tests are not here.
    """
    sources = [_source(text) for text in texts]
    stored = {one["key"]: Grade(**one) for one in doc.get(STORED) or () if one["key"] and one["verdict"] != "ungraded"}
    keys = {source: key(source, doc["tests_digest"]) for source in sources if isinstance(source, str)}
    unknown = [source for source, name in keys.items() if name not in stored]
    new = dict(zip(unknown, _run(doc, unknown), strict=True))
    return [
        source
        if isinstance(source, Grade)
        else stored.get(keys[source]) or Grade(new[source].name, new[source].test, keys[source])
        for source in sources
    ]


def hits(doc: Mapping[str, Any], texts: Sequence[str]) -> list[float]:
    """1.0 or 0.0 for each of the k raw answers to `doc`."""
    return [float(one.hit) for one in grades(doc, texts)]


def metrics(doc: Mapping[str, Any], texts: Sequence[str]) -> dict[str, float]:
    """The metrics of one problem from its k raw answers, each a share of k.

    score: passed all tests (pass@1); pass_at_k: 1.0 if any did; why the others did not, each for one reason, that of the
    first failing test: compile_error, runtime_error, timeout, wrong_answer, no_code (no code block after the thought),
    truncated (thought not closed), ungraded (no sandbox could be started: grade again); distinct: different texts.
    Raises ValueError for no texts.
    """
    return _metrics(grades(doc, texts), texts)


def process_results(doc: Mapping[str, Any], results: Sequence[str | Sequence[str]]) -> dict[str, Any]:
    """lm-eval's entry: `results` holds one item, the k texts that keep_all left or the one of lm-eval's own filters.

    Besides the metrics it gives the verdicts, for lm-eval to write into the samples.
    """
    kept = results[0]
    texts = [kept] if isinstance(kept, str) else kept
    graded = grades(doc, texts)
    return {**_metrics(graded, texts), STORED: [asdict(one) for one in graded]}


def number(lists: Sequence[Sequence[Any]]) -> float:
    """lm-eval's aggregation of the verdicts: how many there are."""
    return float(sum(map(len, lists)))


def _metrics(graded: Sequence[Grade], texts: Sequence[str]) -> dict[str, float]:
    k = len(texts)
    if k == 0:
        raise ValueError("a problem without answers has no score")
    counts = Counter(one.verdict for one in graded)
    return {
        "score": counts["passed"] / k,
        "pass_at_k": float(counts["passed"] > 0),
        **{verdict: counts[verdict] / k for verdict in VERDICTS},
        "distinct": len(set(texts)) / k,
    }


def _source(text: str) -> str | Grade:
    """The program in a raw answer, or why there is none."""
    thought = split_thinking(text)
    if thought.reasoning is not None and not thought.closed:
        return Grade("truncated")
    return program(thought.answer) or Grade("no_code")


def _run(doc: Mapping[str, Any], sources: Sequence[str]) -> list[Verdict]:
    if not sources:
        return []
    cases = problems.tests_for(doc["tests_digest"])
    return problems.BENCH.grader().verdicts(sources, cases)
