"""Call: what to run, from which files, and what must exist afterwards. Made by one module per foreign tool."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath


@dataclass(frozen=True)
class File:
    """A text that is written into the run folder before the step runs.

    `identity` is what the step's fingerprint sees of it: the whole text, or only its science where the rest
    (how many GPUs, how many workers) belongs to the machine and must not make a result stale. Empty: not even that it is there.
    """

    path: str
    text: str
    identity: str | None = None


@dataclass(frozen=True)
class Command:
    """One process: the name of a tool in the machine file, its arguments, extra environment.

    `place` are further arguments that say only where and how fast it runs: they come last and stay out of the fingerprint.
    """

    tool: str
    args: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    place: tuple[str, ...] = ()
    stands_for: tuple[str, ...] = ()
    """Tool and arguments that the fingerprint sees instead: this command gives the same bits as that one, only faster."""
    spread: bool = False
    """Whether a step of several nodes starts it on each of them; the others run on the first."""
    program: str = ""
    """Another program of the tool's environment, to be started instead of the tool itself."""


@dataclass(frozen=True)
class Call:
    """Commands run one after the other; all must exit 0, and every glob in `outputs` must then match in the step's folder.

    `discard` are globs deleted once everything is checked; `weights` are globs of what may be deleted later, when
    no step that still has to run reads it.
    """

    commands: tuple[Command, ...]
    files: tuple[File, ...]
    outputs: tuple[str, ...]
    discard: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    """Tools that our own commands start themselves: they must be there, and their words are looked for in the log."""


def beside(argv: Sequence[str], program: str) -> list[str]:
    """How another program of the same environment is started: it lies where the last word of a tool's command does."""
    *before, last = argv
    if not program:
        return [*argv]
    if before[-1:] == ["-m"]:
        return [*before, program.replace("-", "_")]
    return [*before, str(PurePosixPath(last).with_name(program))]


OFFLINE = (("HF_DATASETS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "1"))
"""Every path of a plan is local: no tool has a reason to ask a hub, and some do so by accident."""
