"""Which mergekit files the stream engine takes: the linear family, where it rounds as mergekit does. Reads no weights."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import yaml

from mot_plugin.errors import FileError
from mot_plugin.tools import yaml_text
from mot_plugin.tools.mergekit import KEYS

DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
"""Names of dtypes: mergekit's and safetensors'."""

_METHODS = {"linear": {"weight", "normalize"}, "task_arithmetic": {"weight", "normalize", "lambda"}}
"""The methods taken, and the parameters that each may have."""

_PLAIN = frozenset("merge_method base_model dtype out_dtype models parameters name".split())
_SEQUENTIAL = 4
"""Up to so many numbers torch adds one after the other, whatever the shape, the processor and the threads."""


@dataclass(frozen=True)
class Formula:
    """A merge of `models` with float32 `weights`, in this order.

    linear: sum(w_k * x_k), divided by `divisor` if there is one. task_arithmetic (`base` is not None):
    base + scale * sum(w_k * (x_k - base)), the sum divided by `divisor` if there is one. `donor` is the model whose
    config and tokenizer the result gets; `dtype` is the result's, as safetensors names it.
    """

    models: tuple[str, ...]
    weights: tuple[float, ...]
    divisor: float | None
    base: str | None
    scale: float
    donor: str
    dtype: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """All folders that are read; the base of task arithmetic comes last."""
        return self.models if self.base is None else (*self.models, self.base)


def load(path: Path) -> Formula:
    """The formula in a mergekit file. Raises FileError for a file that only mergekit can merge."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: cannot be read ({error})") from None
    return parse(text, str(path))


def parse(text: str, file: str) -> Formula:
    """The formula in the text of a mergekit file; `file` is its name in messages. Raises FileError as `load` does."""
    try:
        return _formula(yaml_text.parsed(text))
    except yaml.YAMLError as error:
        raise FileError(f"{file} is not valid YAML: {error}") from None
    except ValueError as error:
        raise FileError(f"{file}: {error}; the stream engine does not merge this, mergekit does") from None


def _formula(wanted: Any) -> Formula:
    if not isinstance(wanted, dict) or not isinstance(wanted.get("models"), list) or not wanted["models"]:
        raise ValueError("has no list of `models`")
    method = wanted.get("merge_method")
    if method not in _METHODS:
        raise ValueError(f"merge_method is {method!r}, not {' or '.join(_METHODS)}")
    _known(wanted, _PLAIN, KEYS)
    if wanted.get("dtype") != "float32":
        raise ValueError(f"dtype is {wanted.get('dtype')!r}, not float32")
    out = wanted.get("out_dtype") or "float32"
    if out not in DTYPES:
        raise ValueError(f"out_dtype is {out!r}, not {', '.join(DTYPES)}")
    common = wanted.get("parameters") or {}
    _known(common, _METHODS[method])
    entries = [_entry(model) for model in wanted["models"]]
    donor = _path(wanted["base_model"]) if wanted.get("base_model") is not None else entries[0][0]
    base = None
    if method == "task_arithmetic":
        if wanted.get("base_model") is None:
            raise ValueError("task_arithmetic needs a base_model")
        base, entries = donor, [entry for entry in entries if entry[0] != donor]
    elif donor not in dict(entries):
        entries.append((donor, {}))  # mergekit averages a base_model that is none of the models in, as the last
    models = tuple(path for path, _ in entries)
    if not models or len(set(models)) != len(models):
        raise ValueError("a model stands twice among `models`" if models else "there is nothing but the base_model")
    weights = tuple(_weight(own, common, path) for path, own in entries)
    divisor = _divisor(weights, method) if _flag(common, default=method == "linear") else None
    if base is not None and len(weights) > _SEQUENTIAL:
        raise ValueError(f"torch adds {len(weights)} updates in an order that depends on its threads")
    scale = single(_number(common.get("lambda", 1.0), "lambda"))
    return Formula(models, weights, divisor, base, scale, donor, DTYPES[out])


def _known(given: Mapping[str, Any], taken: frozenset[str] | set[str], others: frozenset[str] = frozenset()) -> None:
    if not isinstance(given, dict):
        raise ValueError(f"{given!r} is not a block of keys")  # noqa: TRY004  (of the file, like all others here)
    for key in given:
        if key not in taken:
            raise ValueError(f"`{key}` is {'not taken here' if key in others else 'unknown here'}")


def _entry(model: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(model, dict) or set(model) - {"model", "parameters"}:
        raise ValueError(f"{model!r} is not `model: <folder>` with `parameters`")
    own = model.get("parameters") or {}
    _known(own, {"weight"})
    return _path(model.get("model")), own


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not the name of a folder")
    if "+" in value or "@" in value:
        raise ValueError(f"mergekit reads the + or @ in {value!r} as an adapter or a revision")
    return value


def _flag(common: Mapping[str, Any], *, default: bool) -> bool:
    value = common.get("normalize", default)
    if not isinstance(value, bool):
        raise ValueError(f"normalize is {value!r}, not true or false")  # noqa: TRY004
    return value


def _weight(own: Mapping[str, Any], common: Mapping[str, Any], path: str) -> float:
    value = own.get("weight", common.get("weight"))
    if value is None:
        raise ValueError(f"{path} has no weight")
    return single(_number(value, f"the weight of {path}"))


def _number(value: Any, what: str) -> float:
    try:
        number = float("nan") if isinstance(value, bool) else float(value)  # text, as YAML 1.1 reads 1e-5, is fine
    except (TypeError, ValueError):
        number = float("nan")
    if not abs(number) < 2.0**127:
        raise ValueError(f"{what} is {value!r}, not a plain number")
    return number


def single(value: float) -> float:
    """The float32 nearest to `value`."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


def _divisor(weights: Sequence[float], method: str) -> float:
    total = weight_sum(weights)
    if method == "task_arithmetic" and abs(total) < single(1e-8):
        return 1.0  # as mergekit does
    if total == 0:
        raise ValueError("the weights add up to 0")
    return total


def weight_sum(weights: Sequence[float]) -> float:
    """The float32 sum of float32 weights as torch's `sum` gives it. Raises ValueError where that is not known.

    Up to 7 numbers go to four sums by turns, the last ones all to the first; 8 are added one after the other (torch
    2.13 with AVX2 or AVX-512, measured). Where no partial sum rounds, every order gives the same.
    """
    lowest = max(Fraction(weight).denominator for weight in weights)  # every weight is a multiple of 1 / lowest
    if sum(abs(Fraction(weight)) for weight in weights) * lowest <= 2**24:
        return float(sum(Fraction(weight) for weight in weights))
    if len(weights) > 2 * _SEQUENTIAL:
        raise ValueError(f"the sum of these {len(weights)} weights depends on the order in which torch adds them")
    sums, rest = list(weights[:_SEQUENTIAL]), weights[_SEQUENTIAL:]
    if len(weights) < 2 * _SEQUENTIAL:
        for weight in rest:
            sums[0] = single(sums[0] + weight)
        rest = ()
    total = sums[0]
    for weight in (*sums[1:], *rest):
        total = single(total + weight)
    return total
