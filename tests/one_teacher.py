"""The quickstart with one of its teachers, planned in a folder of its own, for real trainings of single steps."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from mot_plugin import machine, run

RECIPES = Path(__file__).parents[1] / "recipes"
BATCH = 4


def planned(place: Path, methods: dict[str, Any], change: dict[str, Any], **sft: Any) -> run.Prepared:
    """Its run folder is written, and no step has run. `change` is of the machine file, whose `train` is merged."""
    place.mkdir()
    recipe = yaml.safe_load((RECIPES / "quickstart.yaml").read_text(encoding="utf-8"))
    recipe |= {
        "student": str(RECIPES / "quickstart" / "student"),
        "teachers": {"columns": {"traces": str(RECIPES / "quickstart" / "traces" / "columns.jsonl")}},
        "methods": methods,
        "global_batch_size": BATCH,
    }
    recipe["sft"] |= sft
    here = yaml.safe_load((RECIPES / "machines" / "processor.yaml").read_text(encoding="utf-8"))
    train = here["train"] | {"per_device_train_batch_size": 2, **change.get("train", {})}
    here |= {"storage": {"runs": str(place / "runs")}, "retries": 0, **change, "train": train}
    (place / "r.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    (place / "m.yaml").write_text(yaml.safe_dump(here), encoding="utf-8")
    ready = run.prepare(place / "r.yaml", machine.load(place / "m.yaml"))
    run.announce(ready, place / "r.yaml")
    return ready


def up_to(ready: run.Prepared, *last: str) -> Iterator[str]:
    """These steps and all that they need, in running order."""
    wanted = set(last)
    for step in reversed(ready.plan.steps):
        wanted |= set(step.needs) if step.name in wanted else set()
    return (step.name for step in ready.plan.steps if step.name in wanted)
