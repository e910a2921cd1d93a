"""What comes from a hub: is it here, in the hub's cache, or can it be had from there?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mot_plugin import fetching
from mot_plugin.doctor.context import Context
from mot_plugin.doctor.finding import Finding, error, ok, warning
from mot_plugin.doctor.weights import whole
from mot_plugin.errors import MissingInput
from mot_plugin.evals import catalogue
from mot_plugin.evals.origin import ENDINGS
from mot_plugin.tools import vllm

SECONDS = 5.0
"""Longest wait for an answer of the hub."""
_ANY = ".gitattributes"
"""A file that nearly every repository of a hub has."""


@dataclass(frozen=True)
class Wanted:
    """One thing of a hub that steps to run read. `file` stands for all of it when the hub is asked."""

    what: str
    repo: str
    revision: str | None
    kind: str
    file: str
    tasks: tuple[str, ...] = ()
    """Tasks whose problems it has."""
    local: Path | None = None
    """Where a copy may lie: a folder of this name, or a file with one of a table's endings."""

    @property
    def remedy(self) -> str:
        """How it gets here where there is a network."""
        if self.tasks:
            to = self.local.parent if self.local else "DIR"
            then = "" if self.local else ", and name DIR as storage.datasets in the machine file"
            return f"where there is a network: mot-plugin fetch {' '.join(self.tasks)} --to {to}{then}"
        data = " --repo-type dataset" if self.kind == "dataset" else ""
        at = f" --revision {self.revision}" if self.revision else ""
        return f"where there is a network: hf download{data} {self.repo}{at}"


def check(context: Context) -> Iterator[Finding]:
    """Each thing once. After one failed connection the hub is not tried again."""
    hub = _Hub()
    if context.ready is None:
        yield hub.reached()
        return
    every = list(wanted(context))
    if not every:
        yield ok("hub", "nothing of it is needed: all that is read is here")
    for one in every:
        yield _of(one, hub)


def wanted(context: Context) -> Iterator[Wanted]:
    """What the steps to run read from a hub."""
    recipe, machine = context.recipe, context.machine
    assert recipe is not None
    if "student" in context.kinds and recipe.student_folder is None:
        yield _model("student", recipe.student)
    for name, teacher in recipe.teachers.items() if "traces" in context.kinds else ():
        if teacher.model and not teacher.local and machine.teacher(name).serve is not None:
            yield _model(f"teacher {name}", teacher.model)
    source = fetching.source(recipe)
    if source is not None and "source" in context.kinds:
        yield Wanted("source", source.hub, source.revision, "dataset", source.files[0])
    tasks = (
        {task for suite in context.ready.gathered.suites.values() for task in suite.tasks} if context.ready else set()
    )
    if "evaluate" in context.kinds:
        copies = machine.storage.datasets
        for data in fetching.data_sets(sorted(tasks), catalogue.files())[0]:
            local = Path(copies).resolve() / data.folder if copies else None
            what = f"data of {', '.join(data.tasks)}"
            yield Wanted(
                what, data.hub, data.revision, "dataset", data.files[0] if data.files else _ANY, data.tasks, local
            )


def _model(what: str, model: str) -> Wanted:
    repo, revision = vllm.split(model)
    return Wanted(what, repo, revision, "model", "config.json")


def _of(one: Wanted, hub: "_Hub") -> Finding:
    if one.local is not None:  # with a folder of copies named, the hub is not asked by a run
        there = [one.local, *(one.local.with_name(one.local.name + ending) for ending in ENDINGS)]
        found = next((copy for copy in there if copy.exists()), None)
        if found is not None:
            return ok(one.what, f"a copy in {found}")
        return error(one.what, f"no copy of {one.repo}: {one.local} is not there", one.remedy, MissingInput)
    if (cached := hub.cached(one)) is not None:
        return ok(one.what, f"{one.repo} is in the hub's cache, {cached}")
    wrong = hub.refuses(one)
    if wrong is None:
        return ok(one.what, f"{one.repo} can be had from the hub")
    said, remedy = wrong
    return error(one.what, f"{one.repo} is neither here nor to be had: {said}", remedy or one.remedy, MissingInput)


class _Hub:
    """The hub that huggingface_hub knows, and what has become clear about it."""

    def __init__(self) -> None:
        self._lost = ""

    def cached(self, one: Wanted) -> Path | None:
        """The snapshot of it in the cache, if it is whole as far as can be told."""
        from huggingface_hub import constants

        cache = Path(constants.HF_HUB_CACHE)
        home = cache / f"{one.kind}s--{one.repo.replace('/', '--')}"
        revision = one.revision or "main"
        named = home / "refs" / revision
        snapshot = home / "snapshots" / (named.read_text(encoding="ascii").strip() if named.is_file() else revision)
        there = whole(snapshot) if one.kind == "model" else one.file == _ANY or (snapshot / one.file).exists()
        return snapshot if snapshot.is_dir() and there else None

    def refuses(self, one: Wanted) -> tuple[str, str] | None:
        """Why the hub does not give it, and what to do if that is something special; None if it does."""
        import httpx
        from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url

        if self._lost:
            return self._lost, ""
        if constants.HF_HUB_OFFLINE:
            self._lost = "HF_HUB_OFFLINE is set"
            return self._lost, f"unset HF_HUB_OFFLINE, or {one.remedy}"
        try:
            get_hf_file_metadata(
                hf_hub_url(one.repo, one.file, repo_type=one.kind, revision=one.revision), timeout=SECONDS
            )
        except errors.GatedRepoError:
            return "it is gated", "accept its terms on its page with your account, then `hf auth login` or set HF_TOKEN"
        except errors.RevisionNotFoundError:
            return f"it has no revision {one.revision}", "mend the revision behind the @"
        except errors.RepositoryNotFoundError:
            return (
                f"{constants.ENDPOINT} has no such {one.kind}, or shows it to members only",
                "mend its name, or set HF_TOKEN",
            )
        except errors.EntryNotFoundError:
            if one.file != _ANY:
                return f"it has no {one.file}", "mend the name of the file, or of the repository"
        except (OSError, ValueError, httpx.HTTPError) as wrong:
            self._lost = f"{constants.ENDPOINT} does not answer ({type(wrong).__name__})"
            return self._lost, ""
        return None

    def reached(self) -> Finding:
        """Whether it answers at all, where nothing of it is known to be needed."""
        import httpx
        from huggingface_hub import constants

        hint = "give recipes local folders and files, and storage.datasets in the machine file"
        if constants.HF_HUB_OFFLINE:
            return warning("hub", "HF_HUB_OFFLINE is set: models and data sets must be here already", hint)
        try:
            httpx.head(constants.ENDPOINT, timeout=SECONDS)
        except (OSError, ValueError, httpx.HTTPError) as wrong:
            said = f"{constants.ENDPOINT} does not answer ({type(wrong).__name__})"
            return warning("hub", f"{said}: models and data sets must be here already", hint)
        return ok("hub", f"{constants.ENDPOINT} answers")
