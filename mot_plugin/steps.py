"""Our own steps by name, for `mot-plugin step NAME CONFIG.json`: one module each, with a strict `Config` and `run(config)`."""

import importlib
from pathlib import Path

from pydantic import ValidationError

from mot_plugin.errors import FileError, MissingTool

STEPS = {
    "student": "mot_plugin.students",
    "problems": "mot_plugin.sources.step",
    "sample": "mot_plugin.teachers.sample",
    "corpus": "mot_plugin.corpus.build",
    "union": "mot_plugin.corpus.union",
    "order": "mot_plugin.corpus.order",
    "probe-rows": "mot_plugin.corpus.probe",
    "check-branch": "mot_plugin.merging.branch",
    "check-merge": "mot_plugin.merging.merged",
    "compatible": "mot_plugin.merging.compatible",
    "stream-merge": "mot_plugin.merging.stream",
    "carry-loss": "mot_plugin.merging.carry_loss",
    "diagnose": "mot_plugin.merging.diagnose",
    "generate": "mot_plugin.evals.generate",
    "scores": "mot_plugin.evals.collect",
    "judge": "mot_plugin.judge",
    "select": "mot_plugin.selection",
    "ship": "mot_plugin.shipping.ship",
    "report": "mot_plugin.report.write",
}


def run(name: str, config: Path) -> None:
    """Run one step of ours on its config, in the current folder. Raises MotError, also for a package that is missing."""
    if name not in STEPS:
        raise FileError(f"no step {name!r}; there are {', '.join(STEPS)}")
    module = importlib.import_module(STEPS[name])
    try:
        checked = module.Config.model_validate_json(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(f"{config}: no such file (configs are relative to the run folder)") from None
    except ValidationError as error:
        raise FileError(f"{config} is not a config of step {name}\n{error}") from None
    try:
        module.run(checked)
    except ModuleNotFoundError as error:
        raise MissingTool(
            f"step {name} needs the package {error.name}, which this Python lacks: pip install 'mot-plugin[corpus,eval]'"
        ) from None
