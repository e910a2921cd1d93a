"""Sampling elsewhere: requests as OpenAI Batch files, and their results back among the samples.

The files are those of OpenAI's Batch API, which other vendors and `vllm run-batch` read and write too.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
        (_sent_as(drawing, user, index), drawing.line.body(user, index, drawing.name))
        for index in absent[: each or sampling.n]
    ]


def _sent_as(drawing: Drawing, user: str, index: int) -> str:
    """A request's name outside: results repeat nothing else of it, so it must say the sampling, too. 38 characters."""
    return f"{drawing.line.name()[-12:]}-{custom_id(user, index)}"


def take(drawing: Drawing, problems: Sequence[Problem], files: Sequence[Path]) -> Imported:
    """Put results among the samples. Raises MissingInput, FileError: a line that is none, results of other requests."""
    wanted = {
        _sent_as(drawing, user, index): Record(
            custom_id(user, index), drawing.line.body(user, index, drawing.name), None, None, {}
        )
        for user in map(drawing.user, problems)
        for index in range(drawing.line.sampling.n)
    }
    results = list(_results(files))
    strange = [name for _, name, _ in results if name not in wanted]
    if strange:
        raise FileError(
            f"{len(strange)} of {len(results)} results answer no request of this recipe, the first is {strange[0]!r}: "
            "was the model, the prompt, the sampling, the seed or the source changed since the export? "
            "Nothing was imported."
        )
    added, known, failed = 0, 0, Counter[str]()
    for where, name, result in results:
        asked = wanted[name]
        if asked.custom_id in drawing.samples:
            known += 1
            continue
        body, reason = _body(result)
        if body is None:
            failed[reason] += 1
            continue
        drawing.samples.append(replace(asked, body=body, note={"from": where}))
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
                yield f"{file.name}:{number}", *_result(json.loads(line))
            except (ValueError, KeyError, TypeError) as error:
                raise FileError(
                    f"{file}:{number} is not a result of a batch ({error!r}); nothing was imported"
                ) from None


def _result(line: Any) -> tuple[str, dict[str, Any]]:
    """A request's name and what came of it. Raises KeyError, TypeError for a line that is none."""
    if not isinstance(line, dict) or not isinstance(line.get("response") or {}, dict):
        raise TypeError("not an object with a response")
    return str(line["custom_id"]), line


def _body(result: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The answer, or None and why there is none, in a word."""
    response, error = result.get("response") or {}, result.get("error")
    status = response.get("status_code")
    if error or status != 200:
        code = error.get("code") if isinstance(error, dict) else None
        return None, f"http_{status}" if status else str(code or "error")
    body: Any = response.get("body")
    try:
        failures.check(body)
    except failures.UnusableAnswer as unusable:
        return None, unusable.reason
    return dict(body), ""
