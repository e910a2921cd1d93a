"""Where LiveCodeBench's problems come from: the `custom_dataset` function of its tasks, called by lm-eval.

A row has megabytes of hidden tests. They stay in the file that they came in: what lm-eval gets, and writes beside every
answer, is the problem and the digest of its tests, and `tests_for` reads those again when answers are to be graded.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals.code import proof
from mot_plugin.evals.code.box import Limits
from mot_plugin.evals.code.decode import Cases, cases_of
from mot_plugin.evals.code.run_tests import Grader, Verdict
from mot_plugin.evals.code.slices import Where, file_of, row_at, rows
from mot_plugin.evals.subset import stratified

Docs = TypeVar("Docs")


@dataclass
class Bench:
    """What grading needs besides a problem: lm-eval's scorers get no more, so this process remembers it from its loader."""

    without_sandbox: bool = False
    workers: int | None = None
    rows: dict[str, Where] = field(default_factory=dict)  # by the digest of the tests
    known: dict[str, Verdict] = field(default_factory=dict)

    def grader(self) -> Grader:
        """Raises MissingTool when programs cannot be run safely here (`proof.chosen`)."""
        limits = Limits()
        box = proof.chosen(without_sandbox=self.without_sandbox, limits=limits)
        return Grader(box, limits, self.workers or len(os.sched_getaffinity(0)), self.known)


BENCH = Bench()


def livecodebench(
    *,
    slices: Sequence[str] = ("v5",),
    fraction: float | None = None,
    mot_data_dir: str | None = None,
    dataset_revision: str | None = None,
    mot_code_unsafe: bool = False,
    mot_code_workers: int | None = None,
    **_: Any,
) -> Mapping[str, Any]:
    """The problems of these releases (v5: the 167 of October 2024 to January 2025); strata: `platform` by `difficulty`.

    Local copies: livecodebench/test5.jsonl and the like below `mot_data_dir`, the hub's own files (v1 is test.jsonl).
    As {"test": datasets.Dataset} with id, problem, starter_code, function (of the solution, empty for whole programs),
    platform, difficulty, contest_date, tests (their number) and tests_digest. All tests are unpacked once, so that none
    fails after hours of generation. `mot_code_unsafe` runs programs without a sandbox, `mot_code_workers` is how many at
    a time (all cores). Raises MissingInput without the files, FileError when a row or the number of rows is wrong.
    """
    if not isinstance(mot_code_unsafe, bool):
        raise FileError(f"mot_code_unsafe is {mot_code_unsafe!r}; it is true or false")
    BENCH.without_sandbox, BENCH.workers = mot_code_unsafe, mot_code_workers
    docs = []
    for name in slices:
        file, count = file_of(name, mot_data_dir=mot_data_dir, dataset_revision=dataset_revision)
        found = [_doc(where, row, f"{file} row {number}") for number, (where, row) in enumerate(rows(file), 1)]
        if len(found) != count or len({doc["id"] for doc in found}) != count:
            different = len({doc["id"] for doc in found})
            raise FileError(
                f"{file}: {len(found)} rows with {different} different question_id; slice {name} has {count}"
            )
        docs += found
    import datasets

    return {"test": datasets.Dataset.from_list(stratified(docs, fraction, ["platform", "difficulty"]))}


def ready(docs: Docs) -> Docs:
    """`process_docs` of the tasks: changes nothing, but fails before the first answer if programs cannot be run here."""
    BENCH.grader()
    return docs


def tests_for(digest: str) -> Cases:
    """The tests with this digest. Raises MissingInput when no task with them was loaded, FileError if the file changed."""
    if digest not in BENCH.rows:
        raise MissingInput(
            f"the tests {digest} of a LiveCodeBench problem are not known here, so its answers cannot be graded\n"
            "  answers that were graded before have their verdicts in lm-eval's samples; others need the task's data"
        )
    where = BENCH.rows[digest]
    cases = cases_of(row_at(where), str(where.file))
    if cases.digest != digest:
        raise FileError(f"{where.file}: changed while it was in use; leave it alone and evaluate again")
    return cases


def _doc(place: Where, row: Mapping[str, Any], where: str) -> dict[str, Any]:
    cases = cases_of(row, where)
    digest = cases.digest
    BENCH.rows[digest] = place
    return {
        "id": _text(row, "question_id", where),
        "problem": _text(row, "question_content", where).strip(),
        "starter_code": str(row.get("starter_code") or "").rstrip(),
        "function": cases.function or "",
        **{column: _text(row, column, where) for column in ("platform", "difficulty", "contest_date")},
        "tests": len(cases.cases),
        "tests_digest": digest,
    }


def _text(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise FileError(f"{where}: no text in `{column}`; its columns are {', '.join(sorted(map(str, row)))}")
    return value
