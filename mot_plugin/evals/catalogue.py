"""The tasks and groups below eval/, by name."""

from collections.abc import Sequence

import yaml

from mot_plugin import shipped
from mot_plugin.errors import FileError
from mot_plugin.strict import suggest
from mot_plugin.tools import lm_eval
from mot_plugin.tools.lm_eval import TaskFile

ALL = "all"


def files() -> tuple[TaskFile, ...]:
    """Every file of ours for lm-eval: tasks, groups, templates."""
    root = shipped.path("eval")
    found = (file for file in sorted(root.rglob("*")) if file.is_file() and file.suffix in ("", ".yaml", ".py"))
    return tuple(TaskFile(file.relative_to(root).as_posix(), file.read_text(encoding="utf-8")) for file in found)


def groups(every: Sequence[TaskFile]) -> dict[str, tuple[str, ...]]:
    """Group -> its tasks."""
    written = [
        yaml.load(file.text, lm_eval.Loader)  # noqa: S506  (a SafeLoader with one more word)
        for file in every
        if file.path.startswith("groups/")
    ]
    return {str(one["group"]): tuple(map(str, one["task"])) for one in written}


def chosen(names: Sequence[str], every: Sequence[TaskFile]) -> tuple[str, ...]:
    """The tasks that these names of tasks and groups mean, each once; `all` means all. Raises FileError for a strange name."""
    tasks, named = sorted(lm_eval.names(every)), groups(every)
    found: dict[str, None] = {}
    for name in names:
        if name != ALL and name not in tasks and name not in named:
            known = [*tasks, *named]
            raise FileError(f"no task or group {name!r}{suggest(name, known) or '; there are ' + ', '.join(known)}")
        found |= dict.fromkeys(tasks if name == ALL else named.get(name, (name,)))
    return tuple(found)
