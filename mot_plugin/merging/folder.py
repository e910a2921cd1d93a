"""A model folder beside its weights: the small files there must be, and linking a whole model cheaply."""

import errno
import json
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mot_plugin.errors import CheckFailed, FileError
from mot_plugin.store import shared

TEMPLATE = "chat_template.jinja"
LOADABLE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", TEMPLATE)
"""What a model needs beside its weights before a trainer, merger or engine can use it."""

_WEIGHTS = ".safetensors"
_SMALL = (".json", ".jinja", ".txt", ".model")
PATTERNS = tuple(f"*{suffix}" for suffix in (_WEIGHTS, *_SMALL))
"""What belongs to a model, directly in its folder; training_args.bin, optimizer state and checkpoints do not."""

# The file system cannot link these two, or cannot link at all: then a copy is the same thing, only slower.
_NO_LINK = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises CheckFailed where there is none."""
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CheckFailed(f"{path}: no such file") from None
    except (ValueError, OSError) as error:
        raise CheckFailed(f"{path}: not readable as JSON ({error})") from None
    if not isinstance(found, dict):
        raise CheckFailed(f"{path}: holds {type(found).__name__}, not a JSON object")
    return found


def missing_files(folder: Path, wanted: Iterable[str] = LOADABLE) -> list[str]:
    """Which of `wanted` are absent or empty. A chat template may also stand in tokenizer_config.json."""
    absent = [name for name in wanted if not (folder / name).is_file() or not (folder / name).stat().st_size]
    tokenizer = folder / "tokenizer_config.json"
    if TEMPLATE in absent and tokenizer.is_file() and read_json(tokenizer).get("chat_template"):
        absent.remove(TEMPLATE)
    return absent


def replace_file(path: Path, content: bytes) -> None:
    """Give `path` this content in one move: it is never half written, and hard links to the old content keep it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(content)
    fresh.replace(path)


def link_model(source: Path, target: Path) -> None:
    """Make the new folder `target` hold the model in `source`: weights as hard links, small files as copies.

    Copies, because a later step may repair a small file and must not change the model that it came from.
    Raises FileError where `target` exists: nothing is ever overwritten here.
    """
    try:
        target.mkdir(parents=True)
    except FileExistsError:
        raise FileError(f"{target} is already there, but this step fills a new folder: move it away") from None
    link_files(source, target)


def link_files(source: Path, target: Path) -> None:
    """The same into a folder that is there and has no model in it yet."""
    for path in sorted(source.iterdir()):
        if path.suffix == _WEIGHTS and path.is_file():
            _link(path.resolve(), target / path.name)  # a hub cache holds symbolic links to its files
        elif path.suffix in _SMALL and path.is_file():
            shutil.copyfile(path, target / path.name)


def withheld(source: Path, folder: Path) -> bool:
    """Whether a link to the file in a folder that a group shares would be of no use to the group: a copy is."""
    return shared(folder) and not source.stat().st_mode & stat.S_IROTH


def _link(source: Path, target: Path) -> None:
    if withheld(source, target.parent):
        shutil.copyfile(source, target)
        return
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        shutil.copyfile(source, target)
