"""A probe corpus as LLaMA-Factory finds data: a name in a `dataset_info.json`, which is written for a bare file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.strict import suggest

INFO = "dataset_info.json"
_MESSAGES = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
_BY_COLUMN: dict[str, dict[str, Any]] = {
    "messages": {
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**_MESSAGES, "system_tag": "system"},
    },
    "conversations": {"formatting": "sharegpt"},
    "instruction": {},
}
"""A row's own column -> how LLaMA-Factory has to read it, where no dataset_info.json says so."""


@dataclass(frozen=True)
class Corpus:
    """`name` is its entry in the dataset_info.json of `folder`, and what results call it."""

    name: str
    folder: str
    info: str | None = None
    """Of a bare file, the dataset_info.json that has to be written into a folder; `folder` is empty then."""


def find(wanted: str, dataset_dir: str) -> Corpus:
    """A file, a folder with one data set, or a name in `dataset_dir`. Raises MissingInput, FileError."""
    path = Path(wanted)
    if path.is_dir():
        known = _known(path)
        if len(known) != 1:
            raise FileError(f"{path / INFO} has {', '.join(known) or 'no data set'}: name one file of that folder")
        (name,) = known
        return Corpus(name, str(path))
    if path.is_file():
        named = [name for name, entry in _known(path.parent).items() if entry.get("file_name") == path.name]
        if named:
            return Corpus(named[0], str(path.parent))
        entry = {"file_name": str(path.resolve()), **_BY_COLUMN[_column(path)]}
        return Corpus(path.stem, "", json.dumps({path.stem: entry}))
    known = _known(Path(dataset_dir))
    if wanted not in known:
        raise MissingInput(
            f"probe corpus {wanted}: no such file, and no data set of {Path(dataset_dir) / INFO}{suggest(wanted, known)}"
        )
    return Corpus(wanted, dataset_dir)


def _known(folder: Path) -> dict[str, Any]:
    try:
        known = json.loads((folder / INFO).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise FileError(f"{folder / INFO} is not JSON: {error}") from None
    return known if isinstance(known, dict) else {}


def _column(path: Path) -> str:
    """By which column the rows of a file are known."""
    text = path.read_text(encoding="utf-8")
    try:
        rows = json.loads(text) if path.suffix == ".json" else [json.loads(text.partition("\n")[0])]
        found = [column for column in _BY_COLUMN if column in rows[0]]
    except (ValueError, TypeError, KeyError, IndexError):
        found = []
    if not found:
        wanted = ", ".join(_BY_COLUMN)
        raise FileError(
            f"{path}: its first row is no JSON object with one of {wanted}; or name it in a {INFO} beside it"
        )
    return found[0]
