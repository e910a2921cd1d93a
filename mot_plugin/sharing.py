"""A store that several people share, or several folders of runs: who may write into it, and whose runs still read from it."""

import json
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from mot_plugin.step import digest
from mot_plugin.store import Store, replace_text, shared

READERS = "runs"
"""Folder of a store with the frozen plan of every run that reads from it."""
REMEDY = (
    "Whoever owns it shares it, once: `chgrp -R GROUP STORE; chmod -R g+rwX STORE; find STORE -type d -exec chmod g+s {} +`; "
    "what is made in it from then on can be read and written by all of the group"
)
SHOWN = 4
_FINGERPRINT = re.compile(r"[0-9a-f]{20}")


def let_the_group_write(store: Store) -> None:
    """In a store whose folder has the setgid bit and lets its group write, all that this process makes lets it, too.

    So does what its commands make: they inherit the umask.
    """
    if store.root.is_dir() and shared(store.root):
        os.umask(os.umask(0o077) & ~stat.S_IRWXG)


def closed(store: Store, written: Iterable[str], read: Iterable[str] = ()) -> list[str]:
    """What steps have to write into or to read and this user may not, in words: the path, whose it is, its mode."""
    if not store.root.is_dir():
        return []
    rooms = [path for path in store.root.iterdir() if not _FINGERPRINT.fullmatch(path.name)]
    rooms = [store.root, *rooms, *(room / ".claim" for room in rooms)]
    found = [_words(folder) for folder in (*rooms, *_of(store, written)) if _shut(folder)]
    artifacts = [store.out(fingerprint) for fingerprint in read]
    found += [_words(path) for out in artifacts for path in (out, *sorted(out.rglob("*"))) if _hidden(path)]
    return [*found[:SHOWN], *([f"and {len(found) - SHOWN} more"] if found[SHOWN:] else [])]


def ours(store: Store, fingerprint: str) -> bool:
    """Whether this user may change what is kept of a step."""
    return not any(_shut(folder) for folder in _of(store, [fingerprint]))


def register(store: Store, run: Path, plan: str) -> None:
    """Leave a copy of a run's plan in the store: its runs may lie where nobody else looks, or may look."""
    file = store.root / READERS / f"{digest(str(run))}.json"
    text = json.dumps({"run": str(run), "plan": json.loads(plan)})
    if not (file.is_file() and file.read_text(encoding="utf-8") == text):
        with suppress(PermissionError):  # whoever may not write there has all of it done, or was refused
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(file, text)


def registered(store: Store) -> Iterator[tuple[Path, Any]]:
    """(run folder, its plan as JSON has it) of every run that reads from the store. One whose folder is gone is forgotten."""
    for file in sorted((store.root / READERS).glob("*.json")):
        with suppress(FileNotFoundError, json.JSONDecodeError):
            found = json.loads(file.read_text(encoding="utf-8"))
            if _gone(run := Path(found["run"])):
                with suppress(OSError):
                    file.unlink()
            else:
                yield run, found["plan"]


def _of(store: Store, fingerprints: Iterable[str]) -> Iterator[Path]:
    for fingerprint in fingerprints:
        yield from (store.home(fingerprint), store.home(fingerprint) / "claim", store.part(fingerprint))
        yield store.out(fingerprint)


def _shut(folder: Path) -> bool:
    try:
        return folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK)
    except PermissionError:
        return False  # the folder that it lies in is shut, and named


def _hidden(path: Path) -> bool:
    return path.exists() and not os.access(path, os.R_OK)


def _words(path: Path) -> str:
    found = path.stat()
    try:
        owner = pwd.getpwuid(found.st_uid).pw_name
    except KeyError:  # of another computer's user list
        owner = str(found.st_uid)
    return f"{path} belongs to {owner} ({stat.filemode(found.st_mode)})"


def _gone(run: Path) -> bool:
    try:
        return not (run / "plan.json").is_file()
    except OSError:  # somebody else's, who does not let us look
        return False
