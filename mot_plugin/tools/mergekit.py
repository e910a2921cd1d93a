"""mergekit 0.1.5: the one place that knows its YAML and its flags."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from mot_plugin.tools import yaml_text
from mot_plugin.tools.advice import DISK_FULL, Advice
from mot_plugin.tools.call import OFFLINE, Command, File

TOOL = "mergekit-yaml"

KEYS = frozenset(
    "merge_method base_model dtype out_dtype models parameters slices tokenizer tokenizer_source chat_template name".split()
)
"""mergekit drops a key it does not know in silence (a typo in `out_dtype` ships float32): so it is refused here."""

FLAGS = ("--no-write-model-card", "--random-seed", "0")
TWO = frozenset({"slerp", "nuslerp"})
"""Methods between exactly two models."""
SEVERAL = frozenset({"model_stock", "sce"})
"""Methods that say nothing about one model alone."""
WEIGHED = frozenset({"linear", "ties", "dare_linear", "dare_ties", "task_arithmetic", "nuslerp", "multislerp"})
"""Methods with a `weight` for every model."""

ADVICE: Advice = (
    DISK_FULL,
    (r"required but not present in model", "a branch lacks a tensor: it was not trained from the same student", False),
    (r"Tensor size mismatch", "the branches differ in shape: they do not come from the same student", False),
    (
        r"out of memory|OutOfMemoryError|can't allocate memory",
        "memory ran out during the merge: it needs about one model in float32",
        True,
    ),
)


def fill(
    text: str, file: str, branches: Mapping[str, str], start: str, own_weights: Mapping[str, float] | None = None
) -> str:
    """A mergekit file for these branches: `models` become `branches` in their order, `student` becomes the round's start.

    `own_weights` are by branch and go before the file's. Raises ValueError where the file is not one that a plan can fill.
    """
    try:
        wanted = copy.deepcopy(yaml_text.parsed(text))
    except yaml.YAMLError as error:
        raise ValueError(f"{file} is not valid YAML: {error}") from None
    if not isinstance(wanted, dict) or not isinstance(wanted.get("models"), list) or not wanted["models"]:
        raise ValueError(f"{file} has no list of `models`")
    if "merge_method" not in wanted:
        raise ValueError(f"{file} has no merge_method")
    unknown = sorted(set(wanted) - KEYS)
    if unknown:
        raise ValueError(f"{file}: mergekit would silently ignore {', '.join(unknown)}")
    if wanted.get("dtype") != "float32" or wanted.get("out_dtype") != "bfloat16":
        raise ValueError(
            f"{file} must say `dtype: float32` and `out_dtype: bfloat16`: merging in bfloat16 loses part of the update"
        )
    if wanted["merge_method"] in TWO and len(branches) != 2:
        raise ValueError(
            f"{file}: {wanted['merge_method']} merges exactly two branches, the recipe has {len(branches)} teachers"
        )
    if wanted["merge_method"] in SEVERAL and len(branches) < 2:
        raise ValueError(f"{file}: {wanted['merge_method']} needs two branches or more")
    if own_weights and wanted["merge_method"] not in WEIGHED:
        raise ValueError(f"{file}: {wanted['merge_method']} takes no weights; {', '.join(sorted(WEIGHED))} do")
    wanted["models"] = _models(wanted["models"], file, branches)
    for entry, name in zip(wanted["models"], branches, strict=True):
        if own_weights:
            entry["parameters"] = {**entry.get("parameters", {}), "weight": float(own_weights[name])}
    base = wanted.get("base_model")
    if base is not None:  # also the donor of config and tokenizer: without it mergekit takes one by hash order
        if base != "student" and not str(base).startswith("branches/"):
            raise ValueError(f"{file}: base_model must be `student` or `branches/<name>`, got {base!r}")
        named = branches.get(str(base).removeprefix("branches/"), next(iter(branches.values())))
        wanted["base_model"] = start if base == "student" else named
    return yaml_text.dump(wanted)


def _models(entries: Sequence[Any], file: str, branches: Mapping[str, str]) -> list[dict[str, Any]]:
    """One entry per branch: the entry that names it if there is one, else what all entries have in common."""
    for entry in entries:
        if not isinstance(entry, dict) or not str(entry.get("model")).startswith("branches/"):
            raise ValueError(f"{file}: each of `models` must be `model: branches/<name>`, got {entry!r}")
    parameters = {str(entry["model"]).removeprefix("branches/"): entry.get("parameters") for entry in entries}
    alike = all(value == next(iter(parameters.values())) for value in parameters.values())
    models: list[dict[str, Any]] = []
    for name, path in branches.items():
        if name not in parameters and not alike:
            raise ValueError(f"{file} gives its models different parameters but has no entry branches/{name}")
        own = parameters[name] if name in parameters else next(iter(parameters.values()))
        models.append({"model": path, **({"parameters": own} if own else {})})
    return models


def weights(text: str) -> list[float] | None:
    """Linear weights of a filled file, in the models' order, as they are normalised; None if it is not a plain weighted mean."""
    filled = yaml_text.parsed(text)
    common = filled.get("parameters") or {}
    if filled["merge_method"] != "linear" or not common.get("normalize", True):
        return None
    found = [(entry.get("parameters") or {}).get("weight", common.get("weight", 1.0)) for entry in filled["models"]]
    return [float(weight) for weight in found] if all(isinstance(weight, int | float) for weight in found) else None


def merge(path: str, title: str, filled: str, out: str) -> tuple[Command, File]:
    """`mergekit-yaml CONFIG OUT`, the config at `path`.

    Without the first flag it would look the branches up on the hub for a model card; the seed is for the methods that
    draw (DARE), which would make another model each time.
    """
    head = f"# {title}: made by mot-plugin. By hand, in this run's folder: {TOOL} <this file> OUT {' '.join(FLAGS)}\n"
    return Command(TOOL, (path, out, *FLAGS), OFFLINE), File(path, head + filled, identity=filled)


def whole(path: str, title: str, start: str, adapter: str, out: str, cache: str) -> tuple[Command, File]:
    """A LoRA adapter and its start as one model: W + (alpha / r) B A, in float32.

    Branches are merged as such whole models: averaging the factors would give mean(B) x mean(A), another update than the
    mean of the B x A. mergekit does it here because `llamafactory-cli export` (0.9.5) adds in bfloat16, whatever
    `infer_dtype` says, and loses part of the update. Of quantised training (QLoRA) too, what is added to is the unquantised start.
    """
    both = f"{start}+{adapter}"  # mergekit's own notation
    wanted = {"merge_method": "linear", "base_model": both, "models": [{"model": both, "parameters": {"weight": 1.0}}]}
    text = yaml_text.dump({**wanted, "dtype": "float32", "out_dtype": "float32"})
    flags = ("--lora-merge-dtype", "float32", "--lora-merge-cache", cache)
    command, file = merge(path, f"{title}, adapter", text, out)
    return Command(TOOL, (*command.args, *flags), OFFLINE), file
