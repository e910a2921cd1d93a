"""Where a tool lives: a virtual environment, a conda prefix, a container or behind a module line, and how it is started there.

All of them become one thing, a command and its environment, so that nothing else has to know which it was.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mot_plugin.tools.call import FOLDERS, HERE, VARIABLES

Word = Annotated[str, Field(min_length=1)]


class _Block(BaseModel):
    """Unknown keys are errors, values cannot change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Container(_Block):
    """An image, and what runs it. The run, the store and the inputs are bound at the paths that they have outside."""

    image: Word
    runtime: Literal["apptainer", "singularity", "podman"] = "apptainer"
    flags: list[Word] = []
    """Further flags of `apptainer exec` or `podman run`, before the image."""

    @field_validator("runtime", mode="before")
    @classmethod
    def _ends_with_us(cls, said: object) -> object:
        if said == "docker":
            raise ValueError(
                "docker's daemon keeps a container running when the step that started it is killed; "
                "podman takes the same images and flags"
            )
        return said

    @property
    def file(self) -> str | None:
        """The image, where it is a file (or a folder) of this computer and not a name in a registry."""
        return None if self.runtime == "podman" or "://" in self.image else self.image


class Tool(_Block):
    """How one tool is started here: one of `command`, `venv`, `conda`, `container`, `module`; its own name if none is given."""

    command: Annotated[list[Word], Field(min_length=1)] | None = None
    """argv prefix: a name on PATH, an absolute path into another environment, `[srun, ...]`."""
    venv: Word | None = None
    """Folder of a virtual environment."""
    conda: Word | None = None
    """Prefix (folder) of a conda environment. Its own activation scripts are not run."""
    container: Container | None = None
    module: Annotated[list[Word], Field(min_length=1)] | None = None
    """What to `module load` in a login shell before it."""
    env: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        given = [name for name in PLACES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"has {' and '.join(given)}: one of them")
        return self


PLACES = ("command", "venv", "conda", "container", "module")


class Started(_Block):
    """A tool, ready to start: what every place comes down to."""

    command: list[str]
    env: dict[str, str] = {}


def started(name: str, tool: Tool, *, gpus: bool) -> Started:
    """How `name` is started. The last word is the program; another of the same environment takes its place (`beside`).

    A container's words for folders and variables are filled in when it starts (`filled`).
    """
    if tool.venv is not None:
        return Started(command=[f"{tool.venv}/bin/{name}"], env={"VIRTUAL_ENV": tool.venv, **tool.env})
    if tool.conda is not None:
        return Started(command=[f"{tool.conda}/bin/{name}"], env={"CONDA_PREFIX": tool.conda, **tool.env})
    if tool.container is not None:
        return Started(command=[*_container(tool.container, gpus=gpus), name], env=tool.env)
    if tool.module is not None:
        load = f'module load {shlex.join(tool.module)} && exec "$@"'
        return Started(command=["bash", "-lc", load, "bash", name], env=tool.env)
    return Started(command=tool.command or [name], env=tool.env)


def contained(tools: Iterable[Tool]) -> bool:
    """Whether any of them is in a container: what they start needs to know the folders."""
    return any(tool.container is not None for tool in tools)


def outlives(tools: Iterable[Tool]) -> bool:
    """Whether a program of theirs may go on when the command that we started has been killed."""
    return any(tool.container is not None and tool.container.runtime == "podman" for tool in tools)


def _container(container: Container, *, gpus: bool) -> list[str]:
    """The words up to the program. podman's container is ours alone: our user, our network, gone when its program is."""
    flags = container.flags
    if container.runtime == "podman":
        own = ["--rm", "--init", "--network=host", "--ipc=host", "--userns=keep-id", "--security-opt=label=disable"]
        own += [
            "--entrypoint=",
            f"--workdir={HERE}",
            f"--volume={FOLDERS}:{FOLDERS}",
            "--env=HOME=/tmp",
            f"--env={VARIABLES}",
        ]
        cards = ["--device=nvidia.com/gpu=all"] if gpus and not _has(flags, "--device", "--gpus") else []
        return ["podman", "run", *own, *cards, *flags, container.image]
    cards = ["--nv"] if gpus and not _has(flags, "--nv", "--nvccli", "--rocm") else []
    return [container.runtime, "exec", f"--pwd={HERE}", f"--bind={FOLDERS}", *cards, *flags, container.image]


def _has(flags: list[str], *names: str) -> bool:
    return any(flag.partition("=")[0] in names for flag in flags)


def absolute(tool: Tool) -> Tool:
    """The same with folders and files that start at the folder in which the command is given, as a machine file's others do."""
    changed: dict[str, object] = {
        key: str(Path(folder).expanduser().absolute())
        for key in ("venv", "conda")
        if (folder := getattr(tool, key)) is not None
    }
    if tool.container is not None and tool.container.file is not None:
        image = str(Path(tool.container.file).expanduser().absolute())
        changed["container"] = tool.container.model_copy(update={"image": image})
    return tool.model_copy(update=changed)
