"""No answer is dropped, in any of our tasks: lm-eval's own default would score one of sixteen."""

from pathlib import Path

import pytest
import yaml

from mot_plugin.evals.keep import keep_all
from mot_plugin.tools.lm_eval import Loader

EVAL = Path(__file__).parents[2] / "eval"
DEFINING = [file for file in sorted(EVAL.rglob("*")) if file.is_file() and "\nfilter_list:" in file.read_text("utf-8")]


def test_keep_all_keeps_all() -> None:
    resps = [("a", "b", "a"), ("c",)]
    kept = keep_all(resps, None)
    assert kept == [["a", "b", "a"], ["c"]]


@pytest.mark.parametrize("file", DEFINING, ids=lambda file: file.name)
def test_every_task_keeps_all(file: Path) -> None:
    task = yaml.load(file.read_text(encoding="utf-8"), Loader)
    function = f"{keep_all.__module__}.{keep_all.__name__}"
    assert task["filter_list"] == [{"name": "all", "filter": [{"function": "custom", "filter_fn": function}]}]


@pytest.mark.parametrize("file", sorted(EVAL.rglob("mot_*.yaml")), ids=lambda file: file.name)
def test_every_task_has_the_filter(file: Path) -> None:
    task = yaml.load(file.read_text(encoding="utf-8"), Loader)
    while "include" in task and "filter_list" not in task:
        task = yaml.load((file.parent / task["include"]).read_text(encoding="utf-8"), Loader)
    assert "group" in task or "filter_list" in task
