"""What a tool ran on: the packages of the environment that its command starts, and the hardware. Asked, never guessed."""

import json
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from mot_plugin.machine import Machine
from mot_plugin.tools.call import Call, filled

PACKAGES = tuple(
    "mot-plugin llamafactory mergekit lm-eval vllm torch transformers accelerate peft trl datasets tokenizers safetensors "
    "deepspeed flash-attn liger-kernel numpy math-verify openai".split()
)
"""What may change a result. A package that an environment lacks is not named."""

_ASK = """
import importlib.metadata as metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
LAUNCHERS = ("apptainer", "singularity", "podman", "docker", "srun", "bash", "conda", "mamba", "micromamba")
"""Their own Python, if they are written in it, says nothing about the program that they start."""
_SECONDS = 60
# Inside of a container, behind modules or a launcher: the Python in the program's first line, else the one on PATH.
_FIND = r"""
program=$(command -v "$1") || { echo "no program $1" >&2; exit 1; }
shift
IFS= read -r first <"$program"
case $first in
"#!"*python*) set -- ${first#"#!"} "$@" ;;
*) set -- python3 "$@" ;;
esac
exec "$@"
"""


def of_call(
    call: Call, machine: Machine, own: str, locate: Callable[[str], str | None], environ: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Of every tool of a step, what its environment has. `own` is the name of our own commands, which run in ours."""
    found = {}
    for name in dict.fromkeys((*(command.tool for command in call.commands), *call.starts)):
        tool = machine.tool(name)
        argv = [locate(tool.command[0]) or tool.command[0], *filled(tool.command[1:], (), "/", ())]
        found[name] = here() if name == own else of(argv, {**environ, **machine.env, **tool.env})
    return found


def here() -> dict[str, str]:
    """Python and packages of our own environment."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def of(argv: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    """The same of the environment that a tool's command starts; empty where it does not answer.

    A script names its Python in its first line. A launcher such as srun, or a container, starts a shell that looks for it.
    """
    start = python_of(argv)
    if not start:
        return {}
    return here() if ours(start) else _asked(start, env)


def python_of(argv: Sequence[str]) -> list[str]:
    """How the Python of a tool's environment is started; nothing where the command does not say."""
    python = interpreter(argv)
    if python is not None and Path(argv[0]).name not in LAUNCHERS:
        return [python]
    return [*argv[:-1], "sh", "-c", _FIND, "sh", argv[-1]] if len(argv) > 1 else []


def ours(start: Sequence[str]) -> bool:
    """Whether that is the Python that we run in."""
    return len(start) == 1 and Path(start[0]).absolute() == Path(sys.executable).absolute()


def _asked(start: Sequence[str], env: Mapping[str, str]) -> dict[str, str]:
    try:
        said = subprocess.run(
            [*start, "-c", _ASK, *PACKAGES],
            env=dict(env),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        found: dict[str, str] = json.loads(said.stdout.strip().rpartition("\n")[2])  # a login shell may greet before
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}  # the tool itself will say what is wrong with it
    return found


def interpreter(argv: Sequence[str]) -> str | None:
    """The Python that a command runs in: itself, or the one in the first lines of a script."""
    program = Path(argv[0])
    if program.name.startswith("python"):
        return str(program)
    try:
        with program.open("rb") as opened:
            head = opened.read(512)
    except OSError:
        return None
    first, _, rest = head.decode(errors="replace").partition("\n")
    if not first.startswith("#!"):
        return None
    words = first[2:].split()
    if words and Path(words[0]).name == "sh":  # pip's and uv's way out where the path is too long or has spaces
        quoted = rest.partition("\n")[0].partition("'''exec'")[2].strip()
        words = [quoted[1:].partition(quoted[0])[0] if quoted[:1] in ('"', "'") else quoted.partition(" ")[0]]
    found = words[-1] if words and Path(words[0]).name == "env" else words[0] if words else ""
    return found if Path(found).name.startswith("python") else None


def hardware() -> dict[str, str]:
    """Processor, system and GPUs, as far as the kernel tells: the same bits come of the same kind only."""
    found = {"system": " ".join([platform.system(), platform.machine(), *filter(None, ["".join(platform.libc_ver())])])}
    lines = _lines(Path("/proc/cpuinfo"))
    if models := [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]:
        found["processor"] = models[0]
    cards = [
        line.partition(":")[2].strip()
        for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
        for line in _lines(file)
        if line.startswith("Model:")
    ]
    for card in dict.fromkeys(cards):
        found["gpus"] = ", ".join(filter(None, [found.get("gpus"), f"{cards.count(card)} x {card}"]))
    return found


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
