"""Rows of data sets as people keep them: JSON lines, JSON lists, parquet, CSV, or a folder of such files."""

import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pydantic_core import from_json

from mot_plugin.errors import FileError, MissingInput

Row = dict[str, Any]
Numbered = Iterator[tuple[str, Row | str]]
"""Where a row stands in its file (":12" or " row 12"), and the row, or in words what is wrong with it."""

_SHOWN = 10
_BATCH = 1000
_LONGEST_FIELD = 2**31 - 1  # csv's own limit of 131,072 characters is less than a long trace
_LINE = re.compile(r" at line \d+ column")  # the parser sees one line at a time
_BOM = b"\xef\xbb\xbf"
_LFS_POINTER = b"version https://git-lfs"


def read_rows(path: Path) -> Iterator[tuple[str, Row]]:
    """Every row with where it stands ("file.jsonl:12", "file.parquet row 12"), in the file's order, files by name.

    `path` is a .jsonl, .json (a list, or lines), .parquet or .csv file, also as .gz, or a folder of them (not of folders).
    One row at a time is in memory, of .json lists the whole file. Raises MissingInput at once if there is nothing to
    read; after the last good row FileError with every broken one (the first ten in words), or if there was no row.
    """
    return _good_rows(path, [(file, _reader(file)) for file in files_of(path)])


def files_of(path: Path) -> list[Path]:
    """The file itself, or the files of rows in a folder, by name. Raises MissingInput if there is none."""
    if path.is_file():
        return [path if _kind(path) in _READERS else path.resolve()]  # a link's own name may have no ending
    kinds = ", ".join(_READERS)
    if not path.is_dir():
        raise MissingInput(
            f"{path}: no such file; it should hold rows of a data set ({kinds}): put it there or mend the path"
        )
    files = sorted(file for file in path.iterdir() if _kind(file) in _READERS and not file.name.startswith("."))
    if not files:
        raise MissingInput(
            f"{path}: no {kinds} file in this folder; folders inside it are not looked into: name the file"
        )
    return files


def _kind(file: Path) -> str:
    return Path(file.name.removesuffix(".gz")).suffix.lower()


def _reader(file: Path) -> Callable[[Path], Numbered]:
    kind = _kind(file)
    if kind not in _READERS:
        raise FileError(f"{file}: rows are read from {', '.join(_READERS)} files, not from {kind or 'such'} ones")
    with file.open("rb") as opened:
        if opened.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise FileError(f"{file} is a Git LFS pointer, not the data: run `git lfs pull` where it was cloned")
    return _READERS[kind]


def _good_rows(path: Path, sources: list[tuple[Path, Callable[[Path], Numbered]]]) -> Iterator[tuple[str, Row]]:
    shown: list[str] = []
    wrong = right = 0
    for file, reader in sources:
        for place, row in _unbroken(file, reader(file)):
            if isinstance(row, str):
                wrong += 1
                shown += [f"  {file}{place}: {row}"] if len(shown) < _SHOWN else []
            else:
                right += 1
                yield f"{file}{place}", row
    if wrong:
        more = [f"  ... and {wrong - _SHOWN} more"] if wrong > _SHOWN else []
        head = f"{path} has {wrong} wrong row{'s' if wrong > 1 else ''}"
        raise FileError("\n".join([head, *shown, *more]))
    if not right:
        raise FileError(f"{path} is empty: it should hold rows of a data set")


def _unbroken(file: Path, rows: Numbered) -> Numbered:
    try:
        yield from rows
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"{file}: not a whole gzip file ({error}); fetch it again") from None


def _open(file: Path) -> IO[bytes]:
    return gzip.open(file) if file.name.endswith(".gz") else file.open("rb")  # type: ignore[return-value]


def _parsed(text: bytes) -> Row | str:
    try:
        row = from_json(text)
    except ValueError as error:
        return f"not JSON ({_LINE.sub(' at column', str(error))})"
    return row if isinstance(row, dict) else f"not a JSON object but {row!r:.60}"


def _json_lines(file: Path) -> Numbered:
    with _open(file) as lines:
        for number, line in enumerate(lines, 1):  # of bytes, so that nothing but \n ends a line
            if line.strip():
                yield f":{number}", _parsed(line.removeprefix(_BOM) if number == 1 else line)


def _json(file: Path) -> Numbered:
    """A list of rows; or lines, which some data sets call .json too."""
    with _open(file) as opened:
        start = opened.read(4096).removeprefix(_BOM).lstrip()
    if not start.startswith(b"["):
        yield from _json_lines(file)
        return
    with _open(file) as opened:
        content = opened.read().removeprefix(_BOM)
    try:
        rows = from_json(content)
    except ValueError as error:
        raise FileError(f"{file}: not JSON ({error})") from None
    for number, row in enumerate(rows, 1):
        yield f" row {number}", row if isinstance(row, dict) else f"not a JSON object but {row!r:.60}"


def _csv(file: Path) -> Numbered:
    csv.field_size_limit(_LONGEST_FIELD)
    with _open(file) as opened, io.TextIOWrapper(opened, encoding="utf-8-sig", newline="") as text:
        try:
            for number, row in enumerate(csv.DictReader(text, strict=True), 1):
                odd = None in row or None in row.values()
                yield f" row {number}", "not as many fields as the first line has names" if odd else dict(row)
        except (csv.Error, UnicodeDecodeError) as error:
            raise FileError(f"{file}: not CSV in UTF-8 ({error})") from None


def _parquet(file: Path) -> Numbered:
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError:
        raise FileError(f"{file}: parquet files need pyarrow: pip install pyarrow, or name a JSONL file") from None
    try:
        with _open(file) as opened, parquet.ParquetFile(opened) as table:
            number = 0
            for batch in table.iter_batches(batch_size=_BATCH):
                for row in batch.to_pylist():
                    number += 1
                    yield f" row {number}", row
    except pyarrow.ArrowException as error:
        raise FileError(f"{file}: not a parquet file that pyarrow reads ({error})") from None


_READERS: dict[str, Callable[[Path], Numbered]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
    ".csv": _csv,
}
