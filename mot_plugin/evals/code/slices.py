"""LiveCodeBench's files: one per release, from a folder of local copies or the hub, and single rows of them again later."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import FileError, MissingInput

HUB = "livecodebench/code_generation_lite"
# What each release added: its file, its number of problems. The loading script of the data set joins them, but `datasets`
# runs no scripts any more.
SLICES = {
    "v1": ("test.jsonl", 400),
    "v2": ("test2.jsonl", 111),
    "v3": ("test3.jsonl", 101),
    "v4": ("test4.jsonl", 101),
    "v5": ("test5.jsonl", 167),
    "v6": ("test6.jsonl", 175),
}


@dataclass(frozen=True)
class Where:
    """A row in a file, by its first byte."""

    file: Path
    start: int


def file_of(name: str, *, mot_data_dir: str | None, dataset_revision: str | None) -> tuple[Path, int]:
    """The file of a slice ("v5") and the number of its problems: from `mot_data_dir` when given, else from the hub.

    Raises FileError when there is no such slice, MissingInput when its file is not to be had.
    """
    if name not in SLICES:
        raise FileError(f"LiveCodeBench has no slice {name!r}, only {', '.join(SLICES)}")
    file_name, count = SLICES[name]
    return _local(Path(mot_data_dir), file_name) if mot_data_dir else _from_hub(file_name, dataset_revision), count


def rows(file: Path) -> Iterator[tuple[Where, Mapping[str, Any]]]:
    """Each row with its place. Raises FileError at the first that is no JSON object."""
    start = 0
    with file.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield Where(file, start), _parsed(line, f"{file} at byte {start}")
            start += len(line)


def row_at(where: Where) -> Mapping[str, Any]:
    """The row at this place, read again."""
    with where.file.open("rb") as file:
        file.seek(where.start)
        return _parsed(file.readline(), f"{where.file} at byte {where.start}")


def _parsed(line: bytes, where: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise FileError(
            f"{where}: not JSON ({error})\n"
            f"  is it whole, and no Git LFS pointer? hf download --repo-type dataset {HUB} fetches it again"
        ) from None
    if not isinstance(row, dict):
        raise FileError(f"{where}: not a JSON object")
    return row


def _local(folder: Path, name: str) -> Path:
    file = folder / "livecodebench" / name
    if not file.is_file():
        raise MissingInput(
            f"{file}: no such file; it is {name} of the data set {HUB} (some hundred MB)\n"
            f"  where there is a network: hf download --repo-type dataset {HUB} {name} --local-dir {file.parent}"
        )
    return file


def _from_hub(name: str, revision: str | None) -> Path:
    import httpx
    import huggingface_hub

    try:
        return Path(huggingface_hub.hf_hub_download(HUB, name, repo_type="dataset", revision=revision))
    except (OSError, ValueError, httpx.HTTPError) as error:  # offline, no such revision, no access
        cause = str(error).strip().partition("\n")[0]
        raise MissingInput(
            f"{name} of the data set {HUB} (revision {revision or 'newest'}) is not to be had: {cause}\n"
            f"  without the hub: put it into a folder as livecodebench/{name} and pass "
            '--metadata \'{"mot_data_dir": "FOLDER"}\''
        ) from error
