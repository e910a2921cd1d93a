"""The page of a run while the run goes on: made again by a child of low priority, which can fail without the run."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from mot_plugin import claims
from mot_plugin.executors.work import Event, Watcher
from mot_plugin.folder import Folder
from mot_plugin.processes import die_with
from mot_plugin.step import Step

PAGE = "index.html"

AFTER, AGAIN = 10, 50
"""Waits before the page is made again, as multiples of the time that it took: after news, and without any."""

_LEAST, _SILENT, _LONGEST = 2.0, 30.0, 240.0
_PATIENCE = 60.0
_HEAD = re.compile(r'<html [^>]*data-state="(\w+)" data-fingerprint="(\w+)"')
_Remark = Callable[[str], None]


@contextmanager
def following(page: "Page", tell: Watcher) -> Iterator[Watcher]:
    """A watcher that also keeps the page new, and leaves it as the run ended, however it ended."""

    def told(event: Event, step: Step, number: int, words: str = "") -> None:
        tell(event, step, number, words)
        page.hear(event)

    try:
        yield told
    finally:
        page.last()


def complete(folder: Folder, fingerprint: str) -> bool:
    """Whether the page is that of this report, and of a finished run."""
    try:
        with (folder.root / "report" / PAGE).open(encoding="utf-8") as file:
            found = _HEAD.search(file.read(500))
    except OSError:
        return False
    return found is not None and found.groups() == ("finished", fingerprint)


class Page:
    """At most one child at a time makes the page of one run. What went wrong is said once."""

    def __init__(self, folder: Folder, remark: _Remark) -> None:
        self._root = folder.root.resolve()
        self._remark = remark
        self._child: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._began = self._took = 0.0
        self._news = self._failed = False

    def hear(self, event: Event) -> None:
        """Something happened, or nothing did: start a child if it is time. Never waits for one."""
        self._news = self._news or event != "tick"
        if self._child is not None:
            if self._child.poll() is None:
                return
            self._over(self._child.returncode)
        news, none = max(_LEAST, AFTER * self._took), max(_SILENT, AGAIN * self._took)
        wait = min(news, _SILENT) if self._news else min(none, _LONGEST)
        if time.monotonic() - self._began >= wait:
            self._start("--running")

    def last(self) -> None:
        """The page as the run ends, and the only one that is waited for."""
        try:
            if self._child is not None:
                self._child.kill()
                self._child.wait()
                self._forget()
            self._start("--ended")
            assert self._child is not None
            self._over(self._child.wait(_PATIENCE))
        except subprocess.TimeoutExpired:
            self._complain(f"it was not made within {_PATIENCE:.0f} s")
        finally:
            if self._child is not None:  # stopped while it waited
                self._child.kill()
                self._child.wait()
                self._forget()

    def _start(self, how: str) -> None:
        driver, self._began, self._news = os.getpid(), time.monotonic(), False
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (read when the child has ended)
        self._child = subprocess.Popen(
            [sys.executable, "-m", "mot_plugin", "report", str(self._root), how],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._said,
            start_new_session=True,
            preexec_fn=lambda: _quietly(driver, gently=how == "--running"),  # noqa: PLW1509  (calls system functions only)
        )

    def _over(self, code: int) -> None:
        assert self._said is not None
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._forget()
        self._took = time.monotonic() - self._began
        if code:
            self._complain(lines[-1].removeprefix("error: ") if lines else f"exit code {code}")

    def _complain(self, why: str) -> None:
        if not self._failed:
            self._remark(f"the page report/{PAGE} could not be made, the run goes on without it: {why}")
        self._failed = True

    def _forget(self) -> None:
        if self._said is not None:
            self._said.close()
        self._child = self._said = None


def _quietly(driver: int, *, gently: bool) -> None:
    die_with(driver, signal.SIGKILL)
    if gently:
        os.nice(15)


def going_on(folder: Folder) -> bool | None:
    """Whether a `run` of this folder goes on, here or, as far as one can know, elsewhere; None where steps may tell."""
    return True if claims.holder(folder.claim) else None
