"""Sampling elsewhere: requests as OpenAI Batch files, and their results back among the samples.

The files are those of OpenAI's Batch API, which other vendors and `vllm run-batch` read and write too.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.problems import Problem
from mot_plugin.teachers import failures
from mot_plugin.teachers.asking import custom_id
from mot_plugin.teachers.drawing import Drawing
from mot_plugin.teachers.samples import Record

URL = "/v1/chat/completions"
LONGEST_FILE = 50_000
"""Requests in one file that OpenAI takes; vLLM writes its results once at the end, so smaller files lose less."""


@dataclass(frozen=True)
class Imported:
    """What became of the lines of results files."""

    added: int
    known: int
    """Were there before."""
    failed: dict[str, int]
    """Failed requests by reason; they are exported again."""


def export(drawing: Drawing, problems: Sequence[Problem], out: Path, each: int | None, per_file: int) -> list[Path]:
    """Write the requests that the samples on disk leave open: `each` of a prompt at most. No files if there are none.

    Raises FileError if `out` has requests already: two exports in one folder would be asked, and paid, twice.
    """
    asyncio.run(drawing.from_disk(problems))
    lines = [
        json.dumps({"custom_id": identity, "method": "POST", "url": URL, "body": body}, ensure_ascii=False)
        for problem in drawing.unfinished
        for identity, body in _open(drawing, problem, each)
    ]
    if any(out.glob("requests-*.jsonl")):
        raise FileError(f"{out} holds requests already; export into a new folder, once their results are imported")
    out.mkdir(parents=True, exist_ok=True)
    files: list[Path] = []
    for start in range(0, len(lines), per_file):
        files.append(out / f"requests-{start // per_file:03}.jsonl")
        files[-1].write_text("\n".join(lines[start : start + per_file]) + "\n", encoding="utf-8")
    return files


def _open(drawing: Drawing, problem: Problem, each: int | None) -> list[tuple[str, dict[str, Any]]]:
    user, sampling = drawing.user(problem), drawing.line.sampling
    absent = [index for index in range(sampling.n) if custom_id(user, index) not in drawing.samples]
    return [
        (custom_id(user, index), drawing.line.body(user, index, drawing.name)) for index in absent[: each or sampling.n]
    ]


def take(drawing: Drawing, problems: Sequence[Problem], files: Sequence[Path]) -> Imported:
    """Put results among the samples. Raises MissingInput, FileError: a line that is none, results of other requests."""
    wanted = {
        custom_id(drawing.user(problem), index): drawing.line.body(drawing.user(problem), index, drawing.name)
        for problem in problems
        for index in range(drawing.line.sampling.n)
    }
    results = list(_results(files))
    strange = [identity for _, identity, _ in results if identity not in wanted]
    if strange:
        raise FileError(
            f"{len(strange)} of {len(results)} results answer no request of this recipe, the first is {strange[0]!r}: "
            "was the prompt, the sampling, the seed or the source changed since the export? Nothing was imported."
        )
    added, known, failed = 0, 0, Counter[str]()
    for where, identity, result in results:
        if identity in drawing.samples:
            known += 1
            continue
        body, reason = _body(result)
        if body is None:
            failed[reason] += 1
            continue
        drawing.samples.append(Record(identity, wanted[identity], body, None, {"from": where}))
        added += 1
    return Imported(added, known, dict(failed))


def _results(files: Sequence[Path]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for file in files:
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise MissingInput(f"{file}: no such file") from None
        for number, line in enumerate(content.split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                result = json.loads(line)
                identity = str(result["custom_id"])
            except (ValueError, KeyError, TypeError) as error:
                raise FileError(
                    f"{file}:{number} is not a result of a batch ({error!r}); nothing was imported"
                ) from None
            yield f"{file.name}:{number}", identity, result


def _body(result: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The answer, or None and why there is none."""
    response = result.get("response") or {}
    if result.get("error") or response.get("status_code") != 200:
        return None, f"http_{response.get('status_code')}" if response.get("status_code") else "error"
    body: Any = response.get("body")
    try:
        failures.check(body)
    except failures.UnusableAnswer as error:
        return None, error.reason
    return dict(body), ""
