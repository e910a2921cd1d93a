"""Make `report/` of a run again, from what artifacts there are: tables, scores and the page. Readers never see half of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mot_plugin import claims
from mot_plugin.folder import Folder
from mot_plugin.pages import page
from mot_plugin.pages.drawings import drawings
from mot_plugin.pages.live import PAGE, going_on
from mot_plugin.report import figures, write


def render(folder: Folder, *, running: bool | None = None) -> Path:
    """The page's path. Missing artifacts are holes. `running`: whether the run goes on, for those who know. Raises FileError.

    Files are replaced one by one, the page last: a browser may read it at any moment.
    """
    plan = folder.plan()
    running = going_on(folder) if running is None else running
    fresh = folder.root / ".report"
    config = write.Config.model_validate_json(next(file.text for file in plan["report"].call.files))
    config = config.below(folder.root).model_copy(update={"out": str(fresh)})
    with _alone(folder):
        shutil.rmtree(fresh, ignore_errors=True)
        content = write.content(config)
        write.write_down(config, content)
        try:
            drawn = drawings(folder, config, content, folder.root / page.MEMORY / "figures.json")
            figures.write(drawn, fresh / "figures")
            made = page.make(folder, config, content, drawn, running=running)
            (fresh / PAGE).write_text(made, encoding="utf-8")
        finally:  # the tables are there whatever may be wrong with the page
            _replace(fresh, folder.root / "report")
            shutil.rmtree(fresh, ignore_errors=True)
    return folder.root / "report" / PAGE


def _replace(fresh: Path, shown: Path) -> None:
    """Let `shown` have the files of `fresh` and no others; what is the same stays as it is."""
    if shown.is_symlink() or shown.is_file():
        shown.unlink()
    files = sorted((file for file in fresh.rglob("*") if file.is_file()), key=lambda file: file.name == PAGE)
    for file in files:
        target = shown / file.relative_to(fresh)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not (target.is_file() and target.read_bytes() == file.read_bytes()):
            file.replace(target)
    wanted = {file.relative_to(fresh) for file in files} | {Path(PAGE)}
    for old in [old for old in shown.rglob("*") if old.is_file() and old.relative_to(shown) not in wanted]:
        old.unlink()


@contextmanager
def _alone(folder: Folder) -> Iterator[None]:
    """One at a time: a run makes its page while somebody asks for it by hand."""
    with claims.held(folder.root / ".report.claim"):
        yield
