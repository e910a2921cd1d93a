"""check-merge: the merge is the branches' mean bit for bit, and leaves as a usable student."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tiny_models import Tensors, random_tensors, write_model, write_safetensors

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.mean import mismatches, weighted_mean
from mot_plugin.merging.merged import Config, run, sample
from mot_plugin.merging.weights import CHUNK, open_checkpoint, to_bfloat16

Make = Callable[..., Path]
EMBEDDING, UP, NORM = "model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "model.norm.weight"


def mean_of(parts: list[Tensors], weights: list[float]) -> Tensors:
    """The expected merge, by another road: float64, which is exact enough to round right for these few numbers."""
    total = sum(np.float64(weight) for weight in weights)
    return {
        name: to_bfloat16(
            (sum(w * p[name].astype(np.float64) for p, w in zip(parts, weights, strict=True)) / total).astype(
                np.float32
            )
        )
        for name in parts[0]
    }


@pytest.fixture
def merge(tmp_path: Path, start: Path, trained: Make) -> Callable[..., Config]:
    """Branches a, b, c and their merge, as mergekit leaves it: the first branch's small files, without a cache."""

    def make(
        weights: tuple[float, ...] = (1.0, 1.0, 1.0), change: Callable[[Tensors], object] = lambda tensors: None
    ) -> Config:
        parts = [random_tensors(seed) for seed in range(1, len(weights) + 1)]
        branches = {name: str(trained(name=name, tensors=part)) for name, part in zip("abcd", parts, strict=False)}
        tensors = mean_of(parts, list(weights))
        change(tensors)
        folder = write_model(tmp_path / "merged", tensors, use_cache=False, bos_token_id=None, pad_token_id=9)
        return Config(
            model=str(folder), start=str(start), branches=branches, weights=dict(zip(branches, weights, strict=True))
        )

    return make


def problems(config: Config) -> str:
    with pytest.raises(CheckFailed) as caught:
        run(config)
    return str(caught.value)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0), (0.5, 0.25, 1.0)])
def test_sound_merge(
    merge: Callable[..., Config], weights: tuple[float, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    config = merge(weights)
    run(config)
    assert capsys.readouterr().out.endswith(f"3 tensors of {len(weights)} branches, 3 compared bit for bit\n")


def test_one_unit_in_the_last_place_is_seen(merge: Callable[..., Config]) -> None:
    def nudge(tensors: Tensors) -> None:
        tensors[EMBEDDING].ravel()[17] += 1
        tensors[NORM][0] ^= 1

    found = problems(merge(change=nudge))
    assert f"{EMBEDDING}: 1 of 128 elements are not the weighted mean of the branches" in found
    assert f"{NORM}: 1 of 8 elements" in found


def test_wrong_weights_are_seen(merge: Callable[..., Config]) -> None:
    config = merge((1.0, 1.0, 1.0))
    assert "are not the weighted mean" in problems(
        config.model_copy(update={"weights": {"a": 1.0, "b": 1.0, "c": 1.5}})
    )


def test_a_method_that_is_no_mean_skips_only_the_arithmetic(merge: Callable[..., Config]) -> None:
    def nudge(tensors: Tensors) -> None:
        tensors[UP][0, 0] ^= 1

    config = merge(change=nudge)
    run(config.model_copy(update={"weights": None}))
    config = merge(change=lambda tensors: tensors.pop(UP))
    assert "tensors missing" in problems(config.model_copy(update={"weights": None}))


def test_everything_wrong_is_said_at_once(merge: Callable[..., Config]) -> None:
    def damage(tensors: Tensors) -> None:
        tensors[EMBEDDING][0, 0] = 0x7FC0  # NaN
        tensors[UP] = tensors[UP].reshape(4, 16)
        tensors["model.other.weight"] = tensors.pop(NORM).astype(np.float32)

    found = problems(merge(change=damage))
    for said in (
        "is not the merge that was asked for",
        f"tensors missing: {NORM}",
        "tensors too many: model.other.weight",
        f"wrong shapes: {UP} [4, 16] instead of [8, 8]",
        "model.other.weight stored as F32: the merge file must say `out_dtype: bfloat16`",
        f"NaN or Inf in {EMBEDDING}",
        f"{EMBEDDING}: 1 of 128 elements",
    ):
        assert said in found


def test_truncated_merge(merge: Callable[..., Config]) -> None:
    config = merge()
    file = Path(config.model) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    assert "cut short" in problems(config)


def test_config_is_mended_from_the_start(merge: Callable[..., Config], start: Path) -> None:
    config = merge()
    for _ in range(2):  # a second time changes nothing
        run(config)
        mended = json.loads((Path(config.model) / "config.json").read_text())
        assert mended == {
            "model_type": "qwen3",
            "tie_word_embeddings": True,
            "use_cache": True,
            "eos_token_id": 2,
            "pad_token_id": 0,
        }


def test_small_files_are_the_starts(merge: Callable[..., Config], start: Path) -> None:
    config = merge()
    folder = Path(config.model)
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").write_text('{"padding_side": "right"}')
    (folder / "generation_config.json").write_text("{}")
    run(config)
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json", "chat_template.jinja"):
        assert (folder / name).read_bytes() == (start / name).read_bytes()


def test_a_template_inside_the_starts_tokenizer_config_wins(merge: Callable[..., Config], start: Path) -> None:
    (start / "chat_template.jinja").unlink()
    (start / "tokenizer_config.json").write_text('{"chat_template": "the start\'s"}')
    config = merge()
    run(config)
    assert not (Path(config.model) / "chat_template.jinja").exists()


def test_missing_files_are_named(merge: Callable[..., Config], start: Path) -> None:
    config = merge()
    (Path(config.model) / "generation_config.json").unlink()
    (start / "generation_config.json").unlink()
    (Path(config.model) / "config.json").unlink()
    found = problems(config)
    assert "lacks generation_config.json" in found
    assert "lacks config.json" in found


def test_sample_has_the_largest_and_the_embedding_whatever_the_seed(tmp_path: Path) -> None:
    tensors = {f"layer.{n}": np.zeros(4, np.uint16) for n in range(20)}
    tensors |= {
        "embed_tokens": np.zeros(6, np.uint16),
        "large": np.zeros(9, np.uint16),
        "wide": np.zeros(4, np.float32),
    }
    write_safetensors(tmp_path / "model.safetensors", tensors)
    checkpoint = open_checkpoint(tmp_path)
    assert sample([checkpoint], 0, 0) == ["embed_tokens", "large"]
    draws = [sample([checkpoint], 5, seed) for seed in range(4)]
    assert all({"embed_tokens", "large"} <= set(draw) and 5 <= len(draw) <= 7 for draw in draws)
    assert draws[0] == sample([checkpoint], 5, 0)
    assert len({tuple(draw) for draw in draws}) > 1
    assert "wide" not in sample([checkpoint], 99, 0)


@pytest.mark.parametrize("fused", [False, True])
def test_mean_of_equal_weights_is_torchs(*, fused: bool) -> None:
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(0)
    for count in range(1, 9):
        parts = [draw.normal(0, 0.02, 10_000).astype(np.float32) for _ in range(count)]
        ours = to_bfloat16(weighted_mean(parts, [1.0] * count, fused=fused))
        theirs = torch.stack([torch.from_numpy(part) for part in parts]).mean(0).bfloat16()
        assert np.array_equal(ours, theirs.view(torch.uint16).numpy())


def test_every_chunk_is_compared(tmp_path: Path) -> None:
    size = CHUNK + 3
    bits = to_bfloat16(np.linspace(-1, 1, size, dtype=np.float32))
    write_safetensors(tmp_path / "model.safetensors", {"x": bits})
    branch = open_checkpoint(tmp_path)
    (tmp_path / "merged").mkdir()
    changed = bits.copy()
    changed[[0, CHUNK - 1, CHUNK, size - 1]] ^= 1
    write_safetensors(tmp_path / "merged" / "model.safetensors", {"x": changed})
    assert mismatches(branch, [branch], [1.0], "x") == 0
    assert mismatches(open_checkpoint(tmp_path / "merged"), [branch], [1.0], "x") == 4


def test_either_rounding_of_a_weighted_product_is_right(tmp_path: Path) -> None:
    """mergekit multiplies and adds in one rounding or in two, by version and processor; nothing else passes."""
    draw, weights = np.random.default_rng(0), [0.3, 0.7, 0.2]
    parts = [draw.normal(0, 0.02, 400_000).astype(np.float32) for _ in weights]
    kinds = {fused: to_bfloat16(weighted_mean(parts, weights, fused=fused)) for fused in (True, False)}
    assert (kinds[True] != kinds[False]).any()
    off = kinds[True].copy()
    off[0] ^= 1
    for name, array in {
        "a": parts[0],
        "b": parts[1],
        "c": parts[2],
        "1": kinds[True],
        "2": kinds[False],
        "off": off,
    }.items():
        (tmp_path / name).mkdir()
        write_safetensors(tmp_path / name / "model.safetensors", {"x": array})
    branches = [open_checkpoint(tmp_path / name) for name in "abc"]
    found = [mismatches(open_checkpoint(tmp_path / name), branches, weights, "x") for name in ("1", "2", "off")]
    assert found == [0, 0, 1]


def test_weights_must_name_the_branches() -> None:
    good = {"model": "m", "start": "s", "branches": {"a": "a", "b": "b"}, "weights": {"a": 1, "b": 1}}
    Config.model_validate(good)
    for bad in ({"weights": {"a": 1}}, {"weights": {"a": 1, "b": -1}}, {"branches": {}}, {"typo": 1}):
        with pytest.raises(ValidationError):
            Config.model_validate(good | bad)
    kept = Config.model_validate_json(
        Config.model_validate(good | {"branches": {"b": "x", "a": "y"}}).model_dump_json()
    )
    assert list(kept.branches) == ["b", "a"]  # sums follow this order
