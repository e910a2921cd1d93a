"""The float32 carry: its merge files as text, and what carry-loss measures, on numbers that can be done in the head."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pydantic import ValidationError
from tiny_models import random_tensors, write_model

from mot_plugin.errors import CheckFailed
from mot_plugin.merging import carry, carry_loss
from mot_plugin.merging.weights import CHUNK, to_bfloat16


def models(text: str) -> list[tuple[str, float]]:
    return [(entry["model"], entry["parameters"]["weight"]) for entry in yaml.safe_load(text)["models"]]


def test_the_accumulator_comes_last_and_start_and_it_cancel() -> None:
    text = carry.accumulate(["b/x", "b/y", "b/z"], "start", "held")
    assert models(text) == [("b/x", 1.0), ("b/y", 1.0), ("b/z", 1.0), ("start", -3.0), ("held", 3.0)]
    assert yaml.safe_load(text) | {"models": []} == {
        "merge_method": "linear",
        "base_model": "b/x",
        "models": [],
        "parameters": {"normalize": True},
        "dtype": "float32",
        "out_dtype": "float32",
    }


@pytest.mark.parametrize("accumulator", [None, "start"])
def test_the_first_round_has_only_branches(accumulator: str | None) -> None:
    assert models(carry.accumulate(["b/x", "b/y"], "start", accumulator)) == [("b/x", 1.0), ("b/y", 1.0)]


def test_weights_stay_with_their_branches() -> None:
    text = carry.accumulate(["b/x", "b/y"], "start", "held", [3, 1])
    assert models(text) == [("b/x", 3.0), ("b/y", 1.0), ("start", -4.0), ("held", 4.0)]
    with pytest.raises(ValueError, match="shorter"):
        carry.accumulate(["b/x", "b/y"], "start", "held", [3])


def test_the_shadow_of_a_bfloat16_carry_is_the_same_sum() -> None:
    text = carry.accumulate(["b/x"], "start", "shadow", out_dtype="bfloat16")
    assert models(text) == [("b/x", 1.0), ("start", -1.0), ("shadow", 1.0)]
    assert yaml.safe_load(text)["out_dtype"] == "bfloat16"


def test_shipping_is_one_rounding() -> None:
    text = carry.ship("held")
    assert models(text) == [("held", 1.0)]
    assert (yaml.safe_load(text)["dtype"], yaml.safe_load(text)["out_dtype"]) == ("float32", "bfloat16")


def test_any_method_can_be_kept_in_float32() -> None:
    filled = "merge_method: ties\nbase_model: s\nmodels: [{model: b}]\ndtype: float32\nout_dtype: bfloat16\n"
    wide = yaml.safe_load(carry.widened(filled))
    assert wide == yaml.safe_load(filled) | {"out_dtype": "float32"}
    assert list(wide) == list(yaml.safe_load(filled))


def model(folder: Path, values: Any, dtype: str = "F32") -> str:
    values = np.array(values, np.float32)
    return str(write_model(folder, {"x": to_bfloat16(values) if dtype == "BF16" else values}))


def measured(tmp_path: Path, **paths: Any) -> dict[str, Any]:
    carry_loss.run(carry_loss.Config(**paths, out=str(tmp_path / "out")))
    found = json.loads((tmp_path / "out" / "carry.json").read_text())
    assert isinstance(found, dict)
    return found


def test_a_round_in_bfloat16(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 moves in steps of 2**-7: of four updates one is a whole step, one is rounded up, one away, one is no update."""
    step = 2.0**-7
    start = model(tmp_path / "start", [1, 1, 1, 1], "BF16")
    branches = {"a": model(tmp_path / "a", [1 + step, 1 + step * 1.5, 1, 1])}
    branches["b"] = model(tmp_path / "b", [1 + step, 1, 1 + step * 0.5, 1])
    found = measured(tmp_path, start=start, branches=branches)
    updates, carried = np.array([1, 0.75, 0.25, 0]), np.array([1, 1, 0, 0])
    assert found["weights"] == 4
    assert found["update_rms"] == pytest.approx(step * np.linalg.norm(updates) / 2)
    assert set(found) == {"weights", "update_rms", "round_bfloat16"}
    assert found["round_bfloat16"] == pytest.approx(
        {
            "relative_l2": np.linalg.norm(carried - updates) / np.linalg.norm(updates),
            "cosine": carried @ updates / np.linalg.norm(carried) / np.linalg.norm(updates),
            "unmoved": 1 / 3,
        }
    )
    assert "round bfloat16: relative_l2 0.2774, cosine 0.9707, unmoved 0.3333\n" in capsys.readouterr().out


def test_rounds_in_float32(tmp_path: Path) -> None:
    """In the second round a step of 2**-7 is full at last: the shadow of a bfloat16 carry never moves."""
    step = 2.0**-7
    base = model(tmp_path / "base", [1, 2], "BF16")
    before = model(tmp_path / "before", [1 + 0.4 * step, 2])
    branches = {"a": model(tmp_path / "a", [1 + 0.4 * step, 2])}
    after = model(tmp_path / "after", [1 + 0.8 * step, 2])
    found = measured(
        tmp_path, start=base, branches=branches, before=before, after=after, base=base, shadow=base, weights={"a": 2.0}
    )
    assert found["round_float32"]["relative_l2"] == pytest.approx(0, abs=1e-4)
    assert found["round_bfloat16"] == {"relative_l2": 1.0, "cosine": None, "unmoved": 1.0}
    assert found["all_bfloat16"] == {"relative_l2": 1.0, "cosine": None, "unmoved": 1.0}
    assert found["all_shipped"] == pytest.approx({"relative_l2": 0.25, "cosine": 1.0, "unmoved": 0.0}, rel=1e-4)


def test_where_nothing_moves_there_is_nothing_to_lose(tmp_path: Path) -> None:
    start = model(tmp_path / "start", [1, 2], "BF16")
    found = measured(tmp_path, start=start, branches={"a": model(tmp_path / "a", [1, 2])})
    assert found["round_bfloat16"] == {"relative_l2": None, "cosine": None, "unmoved": None}


def test_every_chunk_counts(tmp_path: Path) -> None:
    size = CHUNK + 5
    start = model(tmp_path / "start", np.ones(size), "BF16")
    values = np.ones(size, np.float32)
    values[[0, CHUNK - 1, CHUNK, size - 1]] += 2.0**-9
    found = measured(tmp_path, start=start, branches={"a": model(tmp_path / "a", values)})
    assert found["weights"] == size
    assert found["update_rms"] == pytest.approx(2.0**-9 * (4 / size) ** 0.5)
    assert found["round_bfloat16"]["unmoved"] == 1.0


def test_a_wrong_accumulator_is_refused(tmp_path: Path) -> None:
    start, branch = model(tmp_path / "start", [1, 2], "BF16"), model(tmp_path / "a", [1.001, 2])
    after = model(tmp_path / "after", [1.00101, 2])
    with pytest.raises(CheckFailed, match=r"x \(1\) elements are off"):
        measured(tmp_path, start=start, branches={"a": branch}, after=after)
    assert not (tmp_path / "out" / "carry.json").exists()


def test_models_that_do_not_fit_are_named(tmp_path: Path) -> None:
    start = str(write_model(tmp_path / "start", random_tensors(0, "BF16")))
    with pytest.raises(CheckFailed, match="does not fit"):
        measured(tmp_path, start=start, branches={"a": model(tmp_path / "a", [1])})


@pytest.mark.parametrize(
    "wrong",
    [
        {"weights": {"b": 1.0}},
        {"weights": {"a": 0.0}},
        {"before": "x"},
        {"after": "x", "shadow": "y"},
        {"branches": {}},
        {"typo": 1},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        carry_loss.Config.model_validate({"start": "s", "branches": {"a": "a"}, "out": "o"} | wrong)
