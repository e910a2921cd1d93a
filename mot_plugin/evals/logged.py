"""The files that lm-eval leaves in a folder: one of results, and one of samples for each task, dated alike."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import StepFailed

FILTER = "all"  # the name of the filter in our tasks, and so the second half of lm-eval's metric names
STORED = "verdicts"  # what a scorer that is slow may have noted in a sample, one entry per answer
RESULTS = "results.json"


@dataclass(frozen=True)
class Logged:
    """One evaluation's files in a folder, and what is in the first."""

    folder: Path
    file: Path
    results: dict[str, Any]

    def samples_file(self, task: str) -> Path:
        """Where the samples of a task are. Raises StepFailed without them."""
        # The date joins the files of one evaluation; a plain name is left over from an attempt that was cut off in between.
        date = self.file.stem.removeprefix("results")
        for file in (self.folder / f"samples_{task}{date}.jsonl", self.folder / samples_name(task)):
            if file.is_file():
                return file
        raise StepFailed(
            f"{self.folder}: no samples_{task}{date}.jsonl; start lm-eval with --log_samples and with this task"
        )


def read(folder: Path) -> Logged:
    """What lies in the folder. Raises StepFailed unless it is one whole evaluation."""
    found = sorted([*folder.glob("results_*.json"), *folder.glob(RESULTS)])
    if len(found) > 1:
        raise StepFailed(
            f"{folder} holds the results of {len(found)} evaluations: {', '.join(file.name for file in found)}\n"
            "  one folder takes one; move the others away"
        )
    if not found:
        raise StepFailed(
            f"{folder}: lm-eval wrote no results file there\n  start it with --output_path {folder}/{RESULTS}; "
            "if that was done, its log says why (it exits with 0 anyway)"
        )
    return Logged(folder, found[0], parse(found[0].read_text(encoding="utf-8"), found[0]))


def samples_name(task: str) -> str:
    """The name of a task's samples once it has no date."""
    return f"samples_{task}.jsonl"


def rows(file: Path) -> Iterator[dict[str, Any]]:
    """The samples in a file, line by line. Raises StepFailed for a line that is not whole."""
    with file.open(encoding="utf-8", newline="\n") as lines:
        for line in lines:
            yield parse(line, file)


def parse(text: str, file: Path) -> dict[str, Any]:
    """One JSON object. Raises StepFailed."""
    try:
        content: dict[str, Any] = json.loads(text)
    except json.JSONDecodeError as error:
        raise StepFailed(f"{file}: cut off or not JSON ({error}); was the disk full? evaluate again") from error
    return content
