"""Imports go downwards only: the order of the modules, and what the pure ones may not touch."""

import ast
import graphlib
import itertools
import re
from pathlib import Path

import pytest

from mot_plugin import steps

ROOT = Path(__file__).parents[1] / "mot_plugin"

# A module may import from the lines below its own, a room (a folder) also from itself.
ORDER = """
__main__
cli
cli_*
doctor/
offsite terminal fetching evaluating reproducing several overview
run halt
pages/ live_view
views
glance executors/ meeting
supervise costs/ mirror
starting
folder state plan steps stopping effort
experiments
methods shipment
merges trainings corpora
probes
blocks ablate
materials presence selection judge compare subject shipping/ training/
students checkpoints sharing
recipe/ machine editing corpus/ report/ merging/
evals/
teachers/
sources/
step strict lengths limited mathematics claims processes spread rates environments
tools/ store shipped answers chance errors limited_server __init__
"""
PURE = (
    "plan",
    "methods",
    "blocks",
    "merges",
    "trainings",
    "probes",
    "step",
    "tools.advice",
    "evals.shards",
    "tools.call",
    "tools.llamafactory",
    "tools.lm_eval",
    "tools.mergekit",
    "tools.parallel",
    "environments",
    "costs.amount",
    "costs.price",
    "costs.total",
    "costs.sizes",
    "costs.disk",
    "costs.disk_bound",
    "costs.jobs",
    "costs.case",
    "costs.estimate",
    "costs.budget",
    "costs.simulate",
)
# Its own list of keys, and the trainer's progress file.
READS = {"tools.llamafactory": ["read_text", "read_text"]}


def modules() -> dict[str, ast.Module]:
    """Module name without the package's, `__init__` for the package itself; files that are shipped inside are no modules."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT)
        if path.parts[0] != "_files":
            name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
            found[name] = ast.parse(file.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(name: str) -> set[str]:
    """Modules of ours that this one imports anywhere, also late and for type checking."""
    found: set[str] = set()
    for node in ast.walk(MODULES[name]):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are written out in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for full in names:
            if full.split(".")[0] == "mot_plugin":
                inner = full.removeprefix("mot_plugin").removeprefix(".")
                while inner and inner not in MODULES:
                    inner = inner.rpartition(".")[0]
                found.add(inner or "__init__")
    return found


def place(name: str) -> str:
    """How ORDER calls a module: its own name, its room's, or `cli_*` for the commands."""
    if name.startswith("cli_"):
        return "cli_*"
    return f"{name.partition('.')[0]}/" if "." in name or (ROOT / name).is_dir() else name


LINES = {word: number for number, line in enumerate(ORDER.strip().split("\n")) for word in line.split()}


def test_every_module_has_its_line() -> None:
    assert {place(name) for name in MODULES} == set(LINES)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downwards(name: str) -> None:
    up = {
        other
        for other in imports(name)
        if LINES[place(other)] <= LINES[place(name)] and not ("/" in place(name) and place(other) == place(name))
    }
    assert not up, f"{name} imports {', '.join(sorted(up))}, which stands beside or above it"


def test_no_module_is_in_a_loop() -> None:
    order = list(graphlib.TopologicalSorter({name: imports(name) for name in MODULES}).static_order())
    assert len(order) == len(MODULES)
    with pytest.raises(graphlib.CycleError):  # what it would say
        graphlib.TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


def test_the_order_is_as_strict_as_the_imports_are() -> None:
    """Each line is there because something on it is imported by the line above, or imports from the line below."""
    lines = ORDER.strip().split("\n")
    used = {(place(name), place(other)) for name in MODULES for other in imports(name)}
    for above, below in itertools.pairwise(lines):
        pairs = {(a, b) for a in above.split() for b in below.split()}
        assert pairs & used, f"nothing on {above!r} imports from {below!r}: make them one line"


def test_our_steps_are_below_what_starts_them() -> None:
    for module in steps.STEPS.values():
        name = module.removeprefix("mot_plugin.")
        assert name in MODULES
        assert LINES[place(name)] > LINES["steps"]


def test_the_tools_room_knows_nothing_of_ours() -> None:
    rooms = {name: {place(other) for other in imports(name)} for name in MODULES if place(name) == "tools/"}
    assert len(rooms) > 4
    assert all(others <= {"tools/"} for others in rooms.values()), rooms


def test_no_drawer_for_everything() -> None:
    drawers = {"utils", "util", "common", "helpers", "helper", "misc", "constants", "core", "base", "lib"}
    assert not {part for name in MODULES for part in name.split(".")} & drawers


def effects(name: str) -> list[str]:
    """What a module does to the world outside, by the names that do it."""
    doing = "read_text read_bytes write_text write_bytes open unlink mkdir rmdir rename touch symlink_to"
    doing += " iterdir glob rglob is_file is_dir exists resolve"
    modules = {
        "os",
        "subprocess",
        "shutil",
        "tempfile",
        "socket",
        "signal",
        "time",
        "datetime",
        "random",
        "urllib",
        "glob",
    }
    found: list[str] = []
    for node in ast.walk(MODULES[name]):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in modules]
        elif isinstance(node, ast.ImportFrom):
            found += [str(node.module)] if str(node.module).split(".")[0] in modules else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in doing.split():
            found.append(node.func.attr)
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("open", "print", "input")
        ):
            found.append(node.func.id)
    return found


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_leaves_the_world_alone(name: str) -> None:
    assert effects(name) == READS.get(name, [])


def test_effects_are_seen() -> None:
    assert {"subprocess", "open"} <= set(effects("supervise"))


def test_few_places_start_processes() -> None:
    starting = {name for name, tree in MODULES.items() if "subprocess" in ast.unparse(tree)}
    # A served teacher and an evaluation's engines live as long as their step; a sandbox, or a child with a time limit, as long as
    # what runs in it.
    # A tool's environment is asked for its versions. LLaMA-Factory's launcher says by an error of subprocess how torchrun ended.
    inside = {"training.launch"}
    inside |= {
        "presence",
        "shipping.versions",
        "doctor.outside",
        "teachers.serve",
        "evals.engines",
        "limited",
        "evals.code.sandbox",
        "evals.code.execute",
    }
    executors = {"executors.supervisor", "executors.ray_place", "executors.slurm_queue", "meeting"}
    assert starting == {"machine", "supervise", "pages.live"} | executors | inside


def test_few_places_read_the_environment() -> None:
    reading = {name for name, tree in MODULES.items() if re.search(r"os\.(environ|getenv)", ast.unparse(tree))}
    # A key is read where it is used, and nowhere else; the others hand an environment on, or clear it.
    handing = {
        "doctor.context",
        "presence",
        "training.launch",
        "supervise",
        "starting",
        "meeting",
        "executors.ray_place",
        "executors.ray_task",
        "executors.slurm_queue",
        "teachers.serve",
        "evals.engines",
    }
    assert reading == handing | {"teachers.client", "evals.code.inside", "evals.code.proof"}


def test_nothing_is_swallowed() -> None:
    broad = {"Exception", "BaseException"}
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, name
                caught = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
                # the tokenizers library raises nothing more precise; each of fsspec's has errors of its own, and ours names them
                assert not broad & caught or name in ("lengths", "mirror"), name
