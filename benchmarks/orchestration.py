"""What orchestration costs: `mot-plugin run` against the same commands of the same tools given one after the other by hand.

    python benchmarks/orchestration.py [RECIPE]

Both in one run, the same machine, the same files: first the whole run (every weight kept), then each foreign command of it again,
in the same folder. Prints seconds and their ratio. The quickstart takes about ten minutes.
"""

import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from mot_plugin import machine as machines
from mot_plugin.blocks import OWN
from mot_plugin.folder import Folder
from mot_plugin.processes import locate


def main(recipe: Path) -> None:
    """Measure and print."""
    home = Path(tempfile.mkdtemp(prefix="mot-bench-"))
    try:
        machine = machines.load(None)
        kept = machine.storage.model_copy(update={"keep": "all", "runs": str(home / "runs")})
        machine_file = home / "machine.json"  # YAML reads JSON
        machine_file.write_text(json.dumps(machine.model_copy(update={"storage": kept}).model_dump()))
        command = [sys.executable, "-m", "mot_plugin"]
        begun = time.perf_counter()
        subprocess.run([*command, "run", str(recipe), "--machine", str(machine_file), "--plain"], check=True)
        orchestrated = time.perf_counter() - begun
        begun = time.perf_counter()
        subprocess.run([*command, "run", str(recipe), "--machine", str(machine_file)], check=True)
        again = time.perf_counter() - begun
        by_hand, count = foreign(Folder(next((home / "runs").glob("*/plan.json")).parent))
    finally:
        shutil.rmtree(home)
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}, n = 1\n")
    print(f"{count} foreign commands by hand   {by_hand:8.1f} s")
    print(f"mot-plugin run                {orchestrated:8.1f} s   ratio {orchestrated / by_hand:.3f}")
    print(f"mot-plugin run, all done      {again:8.2f} s")


def foreign(folder: Folder) -> tuple[float, int]:
    """Seconds and number of the run's commands that are other people's programs; ours only lay out what they read."""
    machine, seconds, count = folder.machine(), 0.0, 0
    for step in folder.plan().steps:
        shutil.rmtree(folder.work(step.name), ignore_errors=True)
        folder.work(step.name).mkdir(parents=True)
        for command in step.call.commands:
            if command.tool == OWN:
                if step.kind == "train" and command.args[1] == "order":
                    subprocess.run([sys.executable, "-m", "mot_plugin", *command.args], cwd=folder.root, check=True)
                continue
            program, *rest = machine.tool(command.tool).command
            argv = [locate(program) or program, *rest, *command.args, *command.place]
            env = {**os.environ, **machine.env, **dict(command.env)}
            begun = time.perf_counter()
            subprocess.run(argv, cwd=folder.root, env=env, check=True, capture_output=True)
            seconds, count = seconds + time.perf_counter() - begun, count + 1
        shutil.rmtree(folder.work(step.name))
    return seconds, count


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "recipes/quickstart.yaml"))
