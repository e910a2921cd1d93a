"""Rows of a benchmark: from a folder of local copies when one is named, else from its data set on the hub."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.sources.rows import read_rows

Row = dict[str, Any]

ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")


@dataclass(frozen=True)
class Origin:
    """Where a benchmark's rows are.

    `hub` is the data set ("org/name"), `split` its split, `configs` its parts in reading order (empty: the only one).
    `stem` is what a local copy is called: a file `stem.jsonl` (or another of ENDINGS) with all rows of the split, or a
    folder `stem/` with the hub's own files. `column` is the column that tells parts apart: rows of a file have it, to
    others it is added. `count` is the number of rows. `advice` is said when the hub does not give them.
    """

    hub: str
    stem: str
    split: str
    count: int
    configs: tuple[str, ...] = ()
    column: str | None = None
    advice: str = ""


def rows(origin: Origin, *, mot_data_dir: str | None, dataset_revision: str | None) -> list[tuple[str, Row]]:
    """Every row with where it stands, in the order of the files.

    From `mot_data_dir` when given, else from the hub at `dataset_revision` (None: the newest). Raises MissingInput when
    there is no copy or the hub does not give the data set, FileError when the copy is broken or has another number of
    rows than the benchmark.
    """
    if mot_data_dir is None:
        source, found = f"the data set {origin.hub}", _from_hub(origin, dataset_revision)
    else:
        copy = _copy(origin, Path(mot_data_dir))
        source, found = str(copy), _from_folder(origin, copy) if copy.is_dir() else read_rows(copy)
    taken = list(found)
    if len(taken) != origin.count:
        raise FileError(
            f"{source}: {len(taken)} rows, but the `{origin.split}` split of {origin.hub} has {origin.count}\n"
            "  a part of a benchmark has scores that compare with nothing: put the whole split there"
        )
    return taken


def text(row: Row, column: str, where: str) -> str:
    """The text in a column, stripped. Raises FileError when it is not there, empty or no text; no content is quoted."""
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise FileError(f"{where}: no text in `{column}`; its columns are {', '.join(sorted(map(str, row)))}")
    return value.strip()


def _copy(origin: Origin, folder: Path) -> Path:
    candidates = [*(folder / f"{origin.stem}{ending}" for ending in ENDINGS), folder / origin.stem]
    for copy in candidates:
        if copy.is_file() or (copy == candidates[-1] and copy.is_dir()):
            return copy
    raise MissingInput(
        f"mot_data_dir has no copy of {origin.hub}: neither {candidates[0]} (or {', '.join(ENDINGS[1:])}) nor the folder "
        f"{candidates[-1].name}/\n"
        f"  where there is a network: hf download --repo-type dataset {origin.hub} --local-dir {candidates[-1]}"
        + (f"\n  {origin.advice}" if origin.advice else "")
    )


def _from_folder(origin: Origin, folder: Path) -> Iterator[tuple[str, Row]]:
    import datasets

    try:
        yield from _split(origin, str(folder), None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise FileError(
            f"{folder} is not a copy of the data set {origin.hub} that can be read: {_first_line(error)}\n"
            f"  fetch it again (hf download), or put all rows of the `{origin.split}` split into {folder}.jsonl"
            + (f", with their `{origin.column}`" if origin.column else "")
        ) from error


def _from_hub(origin: Origin, revision: str | None) -> Iterator[tuple[str, Row]]:
    import datasets
    import httpx

    try:
        yield from _split(origin, origin.hub, revision)
    # Offline, no such data set or revision, no access, a layout that this `datasets` does not read.
    except (OSError, ValueError, RuntimeError, httpx.HTTPError, datasets.exceptions.DatasetsError) as error:
        raise MissingInput(
            f"the data set {origin.hub} (revision {revision or 'newest'}) cannot be loaded: {_first_line(error)}\n"
            + (f"  {origin.advice}\n" if origin.advice else "")
            + f"  without the hub: put {origin.stem}.jsonl, or a copy of the data set as {origin.stem}/, into a folder "
            'and pass --metadata \'{"mot_data_dir": "FOLDER"}\''
        ) from error


def _split(origin: Origin, path: str, revision: str | None) -> Iterator[tuple[str, Row]]:
    import datasets

    for config in origin.configs or (None,):
        part = datasets.load_dataset(path, config, split=origin.split, revision=revision)
        for number, row in enumerate(part, 1):
            added = {origin.column: config} if origin.column and config else {}
            yield f"{path}{f' {config}' if config else ''} row {number}", {**row, **added}


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
