"""The figures of a run for its page. Drawing takes seconds, so what was drawn is remembered while its numbers stay the same."""

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mot_plugin import __version__
from mot_plugin.folder import Folder
from mot_plugin.report import cost_files, losses, write
from mot_plugin.report.curves import Run
from mot_plugin.report.plots import Figure
from mot_plugin.store import replace_text


@dataclass(frozen=True)
class _Drawn:
    """What was drawn, and of which numbers."""

    of: str
    figures: tuple[Figure, ...]


_DRAWN = TypeAdapter(_Drawn)


def drawings(folder: Folder, config: write.Config, content: write.Content, memory: Path) -> tuple[Figure, ...]:
    """The figures that there is something to show in. `config` leads to the logs of losses from here."""
    logged = tuple(losses.read(Path(o.log), o.method, o.teacher, o.round, o.steps) for o in config.trainings)
    probe = tuple(score for score in content.scores if score.purpose == "probe" and score.metric == config.metric)
    run = Run(config.recipe, config.student, config.source, content.board, logged, probe, tuple(config.teachers))
    spent = cost_files.read(folder.root)
    numbers = hashlib.sha256(repr((__version__, run, spent)).encode()).hexdigest()
    with suppress(FileNotFoundError, ValidationError):
        known = _DRAWN.validate_json(memory.read_bytes())
        if known.of == numbers:
            return known.figures
    from mot_plugin.report import figures  # the library that draws is slow to load

    drawn = tuple(figures.of_run(run, spent))
    memory.parent.mkdir(parents=True, exist_ok=True)
    replace_text(memory, _DRAWN.dump_json(_Drawn(numbers, drawn)).decode())
    return drawn
