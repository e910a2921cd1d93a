"""What a plan is made from besides recipe and machine: mergekit text, task files, where inputs lie and what is in them."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mot_plugin import shipped
from mot_plugin.errors import FileError
from mot_plugin.evals import catalogue, kept
from mot_plugin.machine import Machine
from mot_plugin.recipe import Recipe
from mot_plugin.recipe.data import Teacher
from mot_plugin.sources.benchmarks import Benchmark
from mot_plugin.step import MISSING
from mot_plugin.store import replace_text
from mot_plugin.strict import suggest
from mot_plugin.students import of_run as students_of
from mot_plugin.tools import lm_eval


@dataclass(frozen=True)
class Suite:
    """Tasks that models are evaluated on together."""

    tasks: tuple[str, ...]
    files: tuple[lm_eval.TaskFile, ...]
    """The lm-eval files that they need."""
    data: tuple[str, ...]
    """Names of inputs that they read (data files that ship with them)."""


@dataclass(frozen=True)
class Materials:
    """What `plan` needs besides recipe and machine; plain values, so that planning itself is pure."""

    merges: tuple[tuple[str, str], ...]
    """Name and text of the mergekit file of each round; empty without MoT."""
    one_shot: tuple[str, str] | None
    """The same of the one merge of the STD trainings, if that is wanted."""
    mixture: tuple[str, str]
    """The same of a weighted mean, which a probe takes of a model and the base."""
    suites: dict[str, "Suite"]
    """What is evaluated, by purpose: main, and general and probe where the recipe has them."""
    links: dict[str, str]
    digests: dict[str, str]
    datasets: str | None
    traces: dict[str, str]
    """Where the recorded traces of a teacher lie in the run folder."""
    folders: dict[str, str]
    """A teacher that is a model folder, of a run or not -> what its samples are kept under: its name and what is in it."""
    samples: str
    """Folder of all samples that live teachers have given."""
    benchmarks: dict[str, Benchmark]
    """Task -> its problems, which no problem of the source may repeat."""
    benchmark_data: tuple[str, ...]
    """Names of inputs that these read."""


def gather(recipe: Recipe, recipe_path: Path, machine: Machine, cache: Path | None = None) -> Materials:
    """Read and hash. `cache` remembers digests of unchanged files. Raises FileError; a missing input is only noted."""
    home = recipe_path.parent
    methods = recipe.methods
    merges = tuple(merge_text(name, home) for name in (methods.mot.merges if methods.mot else ()))
    suites = dict(suites_of(recipe))
    traces = {name: _traces_link(name, teacher.traces) for name, teacher in recipe.teachers.items() if teacher.traces}
    links = {link: _resolve(home, recipe.teachers[name].traces or "") for name, link in traces.items()}
    for name, teacher in recipe.teachers.items():
        if teacher.run is not None:
            links[f"inputs/teachers/{name}"] = str(students_of(Path(_resolve(home, teacher.run)), teacher.student))
        elif teacher.local:
            links[f"inputs/teachers/{name}"] = _resolve(home, str(teacher.model))
    if recipe.student_folder:
        links["inputs/student"] = _resolve(home, recipe.student_folder)
    if recipe.source.file is not None and recipe.source.hub is None:
        links["inputs/source"] = _resolve(home, recipe.source.file)
    against = _benchmarks(recipe, machine)
    data = {name: path for suite in suites.values() for name, path in _data_inputs(suite.files)}
    problems = {f"eval data {path}": str(_data_path(path)) for one in against.values() for path in one.paths()}
    remembered = _Digests(cache)
    digests = {name: remembered.of(Path(path)) for name, path in {**links, **data, **problems}.items()}
    remembered.save()
    return Materials(
        merges=merges,
        one_shot=merge_text(methods.one_shot.merge, home, "methods.one_shot.merge") if methods.one_shot else None,
        mixture=merge_text("linear", shipped.path("mergekit_configs")),
        suites=suites,
        # Not an input: what lies there is found by what it is, and makes nothing stale.
        links=links | {kept.LINK: str(_store(machine) / "evals")},
        digests=digests,
        datasets=_datasets(machine),
        traces=traces,
        folders={
            name: f"{_called(teacher)}-{digests[f'inputs/teachers/{name}']}"
            for name, teacher in recipe.teachers.items()
            if teacher.run is not None or teacher.local
        },
        samples=str(_store(machine) / "samples"),
        benchmarks=against,
        benchmark_data=tuple(problems),
    )


def _called(teacher: Teacher) -> str:
    """A model folder's name for people, without the way there: what is in it says which model it is."""
    return Path(teacher.model or "").name if teacher.run is None else f"{Path(teacher.run).name}-{teacher.student}"


def _traces_link(name: str, path: str) -> str:
    """A file keeps its ending, which says how it is read; a folder has none."""
    suffix = "".join(Path(path).suffixes[-2:]) if path.endswith(".gz") else Path(path).suffix
    return f"inputs/traces/{name}{suffix}"


def _store(machine: Machine) -> Path:
    """Where samples lie beside artifacts; an absolute path is right for whoever runs the step."""
    return Path(machine.storage.store or Path(machine.storage.runs) / ".store").resolve()


def _datasets(machine: Machine) -> str | None:
    return str(Path(machine.storage.datasets).resolve()) if machine.storage.datasets else None


def _benchmarks(recipe: Recipe, machine: Machine) -> dict[str, Benchmark]:
    """What the source must not hold: the problems of its `decontaminate`, else of the recipe's own tasks."""
    if recipe.source.file is None:
        return {}
    named = recipe.source.decontaminate
    wanted = recipe.eval.tasks if named is None else named
    files = _tasks(wanted, "source.decontaminate" if named is not None else "eval.tasks")
    return {
        task: Benchmark(loader=loader, arguments={**arguments, "mot_data_dir": _datasets(machine)})
        for task in wanted
        for loader, arguments in (lm_eval.data(task, files),)
    }


def _resolve(home: Path, path: str) -> str:
    return os.path.abspath(home / Path(path).expanduser())  # noqa: PTH100  (keeps symbolic links as the user wrote them)


def merge_text(wanted: str, home: Path, where: str = "methods.mot.merge") -> tuple[str, str]:
    """Name and text of a mergekit file: one of the user's beside the recipe, else a shipped one. Raises FileError."""
    own = home / wanted
    path = own if own.is_file() else shipped.path("mergekit_configs", f"{wanted}.yaml")
    if not path.is_file():
        known = sorted(file.stem for file in shipped.path("mergekit_configs").glob("*.yaml"))
        hint = suggest(wanted, known) or f"; shipped are {', '.join(known)}"
        raise FileError(f"{where}: no mergekit file {wanted!r}, neither at {own} nor shipped{hint}")
    return (wanted if own.is_file() else f"{wanted}.yaml"), path.read_text(encoding="utf-8")


def suites_of(recipe: Recipe) -> Iterator[tuple[str, Suite]]:
    """(purpose, tasks); groups are allowed where a recipe has models measured beside the main comparison."""
    wanted = [("main", "eval", recipe.eval.tasks)]
    wanted += [
        (name, name, list(catalogue.chosen(part.tasks, catalogue.files())))
        for name, part in (("general", recipe.general), ("probe", recipe.probe))
        if part is not None
    ]
    for purpose, block, tasks in wanted:
        files = _tasks(tasks, f"{block}.tasks")
        yield purpose, Suite(tuple(tasks), files, tuple(name for name, _ in _data_inputs(files)))


def _data_inputs(files: tuple[lm_eval.TaskFile, ...]) -> Iterator[tuple[str, str]]:
    """(name, path) of every data file that these tasks read."""
    yield from ((f"eval data {path}", str(_data_path(path))) for path in _data_paths(files))


def _tasks(wanted: Sequence[str], where: str) -> tuple[lm_eval.TaskFile, ...]:
    files = catalogue.files()
    known = lm_eval.names(files)
    for task in wanted:
        if task not in known:
            raise FileError(
                f"{where}: no task {task!r} below eval/{suggest(task, known) or '; there are ' + ', '.join(sorted(known))}"
            )
    return lm_eval.find(wanted, files)


def _data_paths(tasks: tuple[lm_eval.TaskFile, ...]) -> Iterator[str]:
    for file in tasks:
        if file.path.endswith(".yaml"):
            path = (lm_eval.parsed(file.text).get("dataset_kwargs") or {}).get("path")
            if path:
                yield str(path)


def _data_path(path: str) -> Path:
    return Path(path) if Path(path).is_absolute() else shipped.path(*path.split("/"))


class _Digests:
    """Content hashes of files and folders, remembered by size and time of change: a 60 GB student is read once."""

    def __init__(self, cache: Path | None) -> None:
        self._file = cache
        self._known: dict[str, str] = {}
        if cache and cache.is_file():
            with suppress(json.JSONDecodeError):  # a broken memory is none
                self._known = json.loads(cache.read_text(encoding="utf-8"))
        self._before = dict(self._known)

    def of(self, path: Path) -> str:
        """SHA-256 over names and contents, 20 digits; MISSING if nothing is there."""
        if not path.exists():
            return MISSING
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        whole = hashlib.sha256()
        for file in files:
            whole.update(str(file.relative_to(path)).encode() + b"\0" + self._one(file).encode() + b"\0")
        return whole.hexdigest()[:20]

    def _one(self, file: Path) -> str:
        status = file.stat()
        key = f"{file.resolve()}|{status.st_size}|{status.st_mtime_ns}|{status.st_ino}"
        if key not in self._known:
            with file.open("rb") as opened:
                self._known[key] = hashlib.file_digest(opened, "sha256").hexdigest()
        return self._known[key]

    def save(self) -> None:
        if self._file and self._known != self._before:
            with contextlib.suppress(OSError):  # only a memory: a full disk must not keep anyone from planning
                self._file.parent.mkdir(parents=True, exist_ok=True)
                replace_text(self._file, json.dumps(self._known, indent=1))
