"""Call: what to run, from which files, and what must exist afterwards. Made by one module per foreign tool."""

from collections.abc import Iterable, Sequence
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
class Resumable:
    """A training that goes on from its own checkpoints in `room`, a folder of the step, if it is killed.

    `results` are the optimizer steps whose checkpoints the step is for; the others only serve to go on.
    """

    room: str
    steps: int
    results: tuple[int, ...] = ()


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
    resumable: Resumable | None = None
    """Its training, if the machine file has it write checkpoints to go on from. No part of the fingerprint."""


def beside(argv: Sequence[str], program: str) -> list[str]:
    """How another program of the same environment is started: it lies where the last word of a tool's command does."""
    *before, last = argv
    if not program:
        return [*argv]
    if before[-1:] == ["-m"]:
        return [*before, program.replace("-", "_")]
    return [*before, str(PurePosixPath(last).with_name(program))]


FOLDERS, HERE, VARIABLES = "{folders}", "{here}", "{variables}"
"""In the words of a container's command: every folder that it needs, where it works, every variable that is handed in."""
BINDS = "MOT_PLUGIN_BINDS"
"""Environment variable of a step's commands: the folders, for what they start themselves."""
HANDED = (
    "CUDA_VISIBLE_DEVICES",
    *("NNODES", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"),
    *("MOT_PLUGIN_STEP", "MOT_PLUGIN_SUPERVISOR"),
)
"""Variables that a container needs beside those of its command: a runtime leaves out what is not set."""


def filled(argv: Sequence[str], folders: Sequence[str], here: str, variables: Iterable[str]) -> list[str]:
    """A container's command with its words filled in; any other command as it is. Variables are named, never shown."""
    said: list[str] = []
    for word in argv:
        if word in (f"--bind={FOLDERS}", f"--volume={FOLDERS}:{FOLDERS}"):
            said += [word.replace(FOLDERS, folder) for folder in outermost(filter(None, [*folders, here]))]
        elif word == f"--env={VARIABLES}":
            said += [f"--env={name}" for name in sorted({*variables, *HANDED} - {"PATH", BINDS})]
        else:
            said.append(word.replace(HERE, here) if word in (f"--pwd={HERE}", f"--workdir={HERE}") else word)
    return said


def outermost(folders: Iterable[str]) -> list[str]:
    """Without those that lie in another one."""
    kept: list[str] = []
    for folder in sorted(set(folders)):
        if not any(PurePosixPath(folder).is_relative_to(other) for other in kept):
            kept.append(folder)
    return kept


def neighbours_first(program: str, path: str) -> str:
    """A PATH on which a program's neighbours are found: LLaMA-Factory's launcher starts `torchrun` by its bare name."""
    home = str(PurePosixPath(program).parent)
    return path if home in (".", *path.split(":")) else f"{home}:{path}"


OFFLINE = (("HF_DATASETS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "1"))
"""Every path of a plan is local: no tool has a reason to ask a hub, and some do so by accident."""
