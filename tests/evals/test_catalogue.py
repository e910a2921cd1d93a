"""The tasks of `eval/` by name, and where they say that their problems are."""

import importlib
from pathlib import Path

import pytest

from mot_plugin.errors import FileError, MissingInput
from mot_plugin.evals import catalogue
from mot_plugin.tools import lm_eval

EVERY = catalogue.files()
ON_THE_HUB = [task for task in lm_eval.names(EVERY) if not task.startswith("mot_quickstart")]


def test_tasks_and_groups_by_name() -> None:
    chosen = catalogue.chosen(["mot_quickstart", "mot_aime", "mot_aime24"], EVERY)
    assert chosen == ("mot_quickstart", "mot_aime24", "mot_aime25")
    assert set(catalogue.chosen(["all"], EVERY)) == set(lm_eval.names(EVERY))
    assert catalogue.chosen([], EVERY) == ()


def test_every_group_has_tasks_that_are_there() -> None:
    groups = catalogue.groups(EVERY)
    assert len(groups["mot_leaderboard"]) == 11
    assert not {task for tasks in groups.values() for task in tasks} - lm_eval.names(EVERY).keys()
    assert not groups.keys() & lm_eval.names(EVERY).keys()


def test_a_strange_name() -> None:
    with pytest.raises(FileError, match=r"no task or group 'mot_aimee', did you mean 'mot_aime'\?"):
        catalogue.chosen(["mot_aimee"], EVERY)
    with pytest.raises(FileError, match=r"'zzz'; there are mot_aime24, .*mot_transfer"):
        catalogue.chosen(["zzz"], EVERY)


@pytest.mark.parametrize("task", ON_THE_HUB)
def test_a_copy_lies_where_its_task_says(task: str, tmp_path: Path) -> None:
    """A loader that misses its copy names the file or folder; its task's metadata must name the same."""
    name, arguments = lm_eval.data(task, EVERY)
    module, _, function = name.rpartition(".")
    load = getattr(importlib.import_module(module), function)
    with pytest.raises(MissingInput) as caught:
        load(**{**arguments, "mot_data_dir": str(tmp_path)})
    if "mot_data_dir" not in str(caught.value) and str(tmp_path) not in str(caught.value):
        pytest.skip(f"the loader misses something else first: {caught.value}")  # ifeval's checks
    assert str(tmp_path / arguments["local"]) in str(caught.value)
    for file in arguments.get("files", ()):
        assert file in str(caught.value)
    assert arguments["dataset"] in str(caught.value)
