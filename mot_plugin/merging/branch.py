"""Step `check-branch`: did LLaMA-Factory train what was asked? It exits 0 on NaN, on a resumed run, on none at all."""

import math
import shutil
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.folder import missing_files, read_json
from mot_plugin.merging.layout import dtypes, extra_head, layout_problems, not_finite, some, unchanged
from mot_plugin.merging.tokenizer import differing_parts
from mot_plugin.merging.weights import Checkpoint, open_checkpoint


class Config(BaseModel):
    """`model` was trained for `steps` optimizer steps from `start`, and saved every `save_steps`.

    It is LLaMA-Factory's output_dir, or what an adapter was exported to; then `trained` is the output_dir.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    start: str
    steps: int = Field(gt=0)
    save_steps: int | None = Field(default=None, gt=0)
    trained: str | None = None
    format: int = 1


def run(config: Config) -> None:
    """Check the trained model and each checkpoint it must have; say on stdout what was found.

    Raises one CheckFailed with everything that is wrong.
    """
    start = open_checkpoint(config.start)
    model, trained = Path(config.model), Path(config.trained or config.model)
    if config.trained:
        _complete(model, start.folder)
    # An adapter's last state is that of its last checkpoint, and is exported only from there.
    folders = {} if config.trained and config.save_steps else {model: (trained, config.steps)}
    for step in range(config.save_steps, config.steps + 1, config.save_steps) if config.save_steps else ():
        folders[model / f"checkpoint-{step}"] = (trained / f"checkpoint-{step}", step)
    problems = []
    for folder, (log, steps) in folders.items():
        if folder.is_dir():
            problems += [f"{folder}: {problem}" for problem in _problems(folder, log, start, steps)]
        else:
            problems.append(f"{folder}: not there; it must be saved after step {steps}")
    if problems:
        advice = "Nothing of this training is used. Mend the cause (its log says more) and run again: it starts afresh."
        raise CheckFailed("\n".join([f"{config.model} is not the training that was asked for", *problems, advice]))


def _complete(model: Path, start: Path) -> None:
    """mergekit leaves `generation_config.json` behind when it adds an adapter to its start; nothing of it has changed."""
    donor = start / "generation_config.json"
    for config in model.rglob("config.json"):
        if donor.is_file() and not (own := config.with_name(donor.name)).exists():
            shutil.copyfile(donor, own)


def _problems(folder: Path, log: Path, start: Checkpoint, steps: int) -> list[str]:
    """Everything wrong with a saved model that should have trained `steps` steps; a line on stdout if nothing is."""
    problems = []
    absent = missing_files(folder)
    if absent:
        problems.append(f"lacks {', '.join(absent)}: the save was cut short (disk full?) or the start lacks them too")
    try:
        other = start.folder / "tokenizer.json"
        changed = differing_parts(folder / "tokenizer.json", other) if "tokenizer.json" not in absent else []
        if changed:
            advice = "the chat template in `sft` may be another family's, and have added its tokens"
            problems.append(f"tokenizer.json gives other ids than {other} ({', '.join(changed)} differ): {advice}")
    except CheckFailed as error:
        problems.append(str(error))
    try:
        problems += training_problems(read_json(log / "trainer_state.json"), steps)
    except CheckFailed as error:
        problems.append(str(error))
    try:
        model = open_checkpoint(folder)
    except CheckFailed as error:
        return [*problems, str(error)]
    different = layout_problems(model, start)
    problems += different
    broken = not_finite(model)
    if broken:
        problems.append(f"NaN or Inf in {some(broken)}: lower the learning rate or look for a broken row in the corpus")
    if set(dtypes(model)) - {"F32", "BF16"}:
        problems.append(f"weights are stored as {', '.join(dtypes(model))}; a branch is F32 or BF16")
    elif not different and unchanged(model, start):
        problems.append(f"no weight differs from {start.folder}: it trained nothing (learning rate 0, all frozen?)")
    if not problems:
        head = ", with an unused lm_head.weight (tied)" if extra_head(model, start) else ""
        sys.stdout.write(f"{folder}: {steps} steps, {len(model.tensors)} tensors, {', '.join(dtypes(model))}{head}\n")
    return problems


def training_problems(state: dict[str, Any], steps: int) -> list[str]:
    """What trainer_state.json says against a sound training of `steps` steps. Losses are per token, in nats."""
    done, problems = state.get("global_step"), []
    if not isinstance(done, int) or done < steps:
        problems.append(f"stopped at step {done} of {steps}: the training was cut short")
    elif done > steps:
        problems.append(
            f"trained {done} steps instead of {steps}: LLaMA-Factory resumes by itself when its output_dir already "
            "holds a checkpoint, and goes one step too far; it must start in an empty folder"
        )
    log = [row for row in state.get("log_history", []) if "loss" in row]
    if len(log) != done:
        problems.append(f"{len(log)} losses logged for {done} steps: `logging_steps` must be 1")
    broken = [row for row in log if not _sound(row)]
    if broken:
        first = broken[0]
        problems.append(
            f"not a number in {len(broken)} of {len(log)} steps, first at step {first.get('step')} "
            f"(loss {first['loss']}, grad_norm {first.get('grad_norm')}); LLaMA-Factory logs loss 0 in place of NaN "
            "and still exits 0. Lower the learning rate, or look for a row that has no answer after cutting"
        )
    return problems


def _sound(row: dict[str, Any]) -> bool:
    """Whether a logged step has a finite loss and gradient; a loss of 0 needs a gradient to be believed."""
    loss, norm = row["loss"], row.get("grad_norm")
    if not _finite(loss) or (norm is not None and not _finite(norm)):
        return False
    return loss != 0 or bool(norm)  # some launchers log no grad_norm at all


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
