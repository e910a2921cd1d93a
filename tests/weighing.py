"""How much weights really lie on a disk. As a script, weighing.py LOG PROGRAM ...: run a program, then log it."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mot_plugin.step import Plan, Step


def tensors(root: Path) -> int:
    """Bytes of different weights files below `root`, without their headers; hard links of one file count once."""
    files = {file.stat().st_ino: file for file in root.rglob("*.safetensors") if file.is_file()}
    return sum(file.stat().st_size - 8 - struct.unpack("<Q", file.read_bytes()[:8])[0] for file in files.values())


def winners(run: Path, plan: "Plan") -> "Callable[[Step], tuple[str, int]]":
    """What the choices of a finished run were, as the simulation of a disk asks for them."""
    kinds = {step.name: step.kind for step in plan.steps}

    def of(step: "Step") -> tuple[str, int]:
        choice = json.loads((run / "artifacts" / step.name / "choice.json").read_bytes())
        models = [need for need in step.needs if kinds[need] in ("train", "merge", "select")]
        if choice["step"] is not None:  # a checkpoint of the training
            every = sorted(row["step"] for row in choice["considered"])
            return models[0], every.index(choice["step"])
        this = f"mot/round-{choice['round']}/merge"
        return (this if this in models else models[-1]), 0

    return of


if __name__ == "__main__":
    log, *program = sys.argv[1:]
    code = subprocess.call([sys.executable, *program])
    row = {"argv": program[1:], "bytes": tensors(Path.cwd().parent)}
    with Path(log).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")
    sys.exit(code)
