"""One recipe under serial, Ray and Slurm: the same weights, answers and scores, and how long each took against serial.

    python benchmarks/executors.py [RECIPE]

All in one run, each in an empty store. Slurm is Debian's (packages slurm-wlm and munge), two nodes on this computer; Ray is one
node of its own. On two cores the quickstart takes about a quarter of an hour in all; side by side, its steps share these cores, so
this is about sameness, and about what an executor costs, more than about speed.
"""

import contextlib
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import slurm_cluster  # noqa: E402  (beside the tests that use it too)

CPUS = 4
"""Two steps at once on each of Slurm's two nodes of eight pretended cores."""


def main(recipe: Path) -> int:
    """Measure, compare and print; 0 if all are the same."""
    found: dict[str, tuple[float, dict[str, str]]] = {}
    with tempfile.TemporaryDirectory(prefix="mot-bench-", ignore_cleanup_errors=True) as home:
        for executor in ("serial", "ray", "slurm"):
            with around(executor) as environment:
                found[executor] = run(recipe, Path(home) / executor, executor, environment)
    print(f"\n{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {datetime.date.today()}, n = 1\n")
    seconds, wanted = found["serial"]
    alike = True
    for executor, (took, made) in found.items():
        differing = sorted(name for name in {*made, *wanted} if made.get(name) != wanted.get(name))
        alike = alike and not differing
        said = f"{len(made)} files the same" if not differing else f"DIFFERENT: {', '.join(differing[:5])}"
        print(f"{executor:<8} {took:8.1f} s   ratio {took / seconds:.2f}   {said}")
    return 0 if alike else 1


@contextlib.contextmanager
def around(executor: str) -> Iterator[Mapping[str, str]]:
    """What an executor needs to be there, and the environment that shows it."""
    if executor != "slurm":
        yield {}
        return
    lacking = slurm_cluster.missing()
    if lacking:
        raise SystemExit(f"no Slurm can be started here: {lacking}")
    with slurm_cluster.running() as cluster:
        yield {"SLURM_CONF": cluster.environment["SLURM_CONF"]}


def run(recipe: Path, home: Path, executor: str, environment: Mapping[str, str]) -> tuple[float, dict[str, str]]:
    """Seconds of `mot-plugin run` and digests of all that it was for."""
    home.mkdir()
    machine = yaml.safe_load((ROOT / "recipes/machines/processor.yaml").read_text(encoding="utf-8"))
    machine |= {"executor": executor, "steps": {"*": {"cpus": CPUS if executor == "slurm" else 1}}}
    machine["storage"] = {"runs": str(home / "runs")}
    (home / "machine.yaml").write_text(yaml.safe_dump(machine), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mot_plugin",
        "run",
        str(recipe),
        "--machine",
        str(home / "machine.yaml"),
        "--plain",
    ]
    begun = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, **environment})
    took = time.perf_counter() - begun
    return took, dict(digests(next((home / "runs").glob("*/plan.json")).parent))


def digests(folder: Path) -> Iterator[tuple[str, str]]:
    """(what, digest) of every model that is left, every raw answer, and the scores."""
    yield "report/scores.csv", sha256((folder / "report/scores.csv").read_bytes())
    for file in sorted((folder / "student").resolve().glob("*.safetensors")):
        yield f"student/{file.name}", sha256(file.read_bytes())
    for step in json.loads((folder / "plan.json").read_text(encoding="utf-8"))["prints"]:
        artifact = (folder / "artifacts" / step).resolve()
        for file in sorted(artifact.rglob("*.safetensors")):
            yield f"{step}/{file.relative_to(artifact)}", sha256(file.read_bytes())
        for file in sorted(artifact.glob("samples_*.jsonl")):
            answers = [json.loads(line)["resps"] for line in file.read_text(encoding="utf-8").splitlines()]
            yield f"{step}/{file.name}", sha256(json.dumps(answers).encode())


def sha256(data: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "recipes" / "quickstart.yaml"))
