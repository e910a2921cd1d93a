"""The mirror: a copy of what a run is for (student, report, records) in a bucket or another folder, through fsspec.

A list of what lies there is kept beside it: what is there already is not sent again, and a copy that was cut short is gone on with.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mot_plugin.errors import MirrorFailed, MissingTool
from mot_plugin.folder import Folder
from mot_plugin.store import replace_text

LIST = "mirror.json"
_MARK = ".mirrored"
_FILES = ("recipe.yaml", "plan.json")  # no machine.json: `env` of a machine file may hold what is nobody else's
_ROOMS = ("student", "report")
_LARGE = 10**8


def send(folder: Folder, url: str, say: Callable[[str], None]) -> int:
    """Copy a run's finals below `url`/<run>/; the number of files that were sent. Raises MirrorFailed, MissingTool.

    `url` is any that fsspec knows: s3://, gs://, az://, hf://, sftp://, a folder. Keys come from where its library looks for them.
    """
    fs, root = _open(url, folder.root.name)
    try:
        there = _listed(fs, f"{root}/{LIST}")
        files = dict(_finals(folder))
        wanted = {name: _sha256(path) for name, path in files.items()}
        new = [name for name in files if there.get(name) != wanted[name]]
        for name in new:
            size = files[name].stat().st_size
            if size > _LARGE:
                say(f"mirror: {name}, {size / 1e9:.1f} GB")
            fs.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
            fs.put_file(str(files[name]), f"{root}/{name}")
            there[name] = wanted[name]
            if size > _LARGE:
                _list(fs, root, there)
        for name in there.keys() - wanted.keys():  # the student was sharded otherwise, a figure has gone
            with suppress(FileNotFoundError):
                fs.rm_file(f"{root}/{name}")
        _list(fs, root, wanted)
    except Exception as error:  # noqa: BLE001  (each of fsspec's libraries has classes of its own, with nothing above them all)
        raise MirrorFailed(
            f"the copy to {url} failed: {type(error).__name__}: {error}\n"
            f"The run itself is whole. Try again with `mot-plugin mirror {folder.root}`; what was sent is not sent again."
        ) from None
    replace_text(folder.root / _MARK, _state(folder, url))
    say(f"mirror: {len(new)} of {len(files)} files sent to {url.rstrip('/')}/{folder.root.name}")
    return len(new)


def sent(folder: Folder, url: str) -> bool:
    """Whether this run, as it is now, was copied there: asked without a look at the bucket or at any weights."""
    try:
        return (folder.root / _MARK).read_text(encoding="utf-8") == _state(folder, url)
    except FileNotFoundError:
        return False


def _state(folder: Folder, url: str) -> str:
    return json.dumps({"url": url, "prints": dict(folder.plan().prints)}, indent=1) + "\n"


def check(url: str) -> None:
    """Whether fsspec knows this kind of address and has its library: to be asked before days of work. Raises as `send` does."""
    _open(url, "")


def _open(url: str, run: str) -> tuple[Any, str]:
    import fsspec

    try:
        fs, path = fsspec.url_to_fs(url)
    except ImportError as error:
        raise MissingTool(f"storage.mirror {url}: {error} (pip install it beside mot-plugin)") from None
    except ValueError as error:
        raise MirrorFailed(f"storage.mirror {url}: {error}") from None
    return fs, f"{path.rstrip('/')}/{run}"


def _list(fs: Any, root: str, files: Mapping[str, str]) -> None:
    fs.pipe_file(f"{root}/{LIST}", json.dumps(files, indent=1).encode())


def _listed(fs: Any, path: str) -> dict[str, str]:
    try:
        found = json.loads(fs.cat_file(path))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _finals(folder: Folder) -> Iterator[tuple[str, Path]]:
    """(name below the mirror, file): the student whole, the page and tables, what was asked for, and every step's record."""
    for name in _FILES:
        yield name, folder.root / name
    for room in _ROOMS:
        top = folder.root / room
        for file in sorted(top.resolve().rglob("*")) if top.exists() else ():
            if file.is_file() and not file.name.startswith("."):
                yield f"{room}/{file.relative_to(top.resolve())}", file
    plan, store = folder.plan(), folder.store()
    for step, print_ in plan.prints.items():
        record = store.home(print_) / "record.json"
        if record.is_file():
            yield f"records/{step}.json", record


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
