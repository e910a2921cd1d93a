"""What the real mergekit's sums are exact to: the plain mean, and the float32 carry made of signed weights."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mot_plugin.errors import CheckFailed
from mot_plugin.merging import carry, carry_loss, merged
from mot_plugin.merging.weights import from_bfloat16, open_checkpoint, to_bfloat16

pytest.importorskip("mergekit")
pytest.importorskip("safetensors")
pytestmark = pytest.mark.contract

HIDDEN, INNER, HEAD = 64, 128, 32
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "vocab_size": 1024,
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": HEAD,
    "tie_word_embeddings": True,
}
LAYER = "model.layers.0."
SHAPES = {
    "model.embed_tokens.weight": (1024, HIDDEN),
    "model.norm.weight": (HIDDEN,),
    f"{LAYER}input_layernorm.weight": (HIDDEN,),
    f"{LAYER}post_attention_layernorm.weight": (HIDDEN,),
    f"{LAYER}mlp.down_proj.weight": (HIDDEN, INNER),
    f"{LAYER}mlp.gate_proj.weight": (INNER, HIDDEN),
    f"{LAYER}mlp.up_proj.weight": (INNER, HIDDEN),
    f"{LAYER}self_attn.q_norm.weight": (HEAD,),
    f"{LAYER}self_attn.k_norm.weight": (HEAD,),
    f"{LAYER}self_attn.q_proj.weight": (2 * HEAD, HIDDEN),
    f"{LAYER}self_attn.k_proj.weight": (HEAD, HIDDEN),
    f"{LAYER}self_attn.v_proj.weight": (HEAD, HIDDEN),
    f"{LAYER}self_attn.o_proj.weight": (HIDDEN, 2 * HEAD),
}
SPLIT = dict(zip(SHAPES, np.cumsum([int(np.prod(shape)) for shape in SHAPES.values()]), strict=True))
SIZE = max(SPLIT.values())
Array = np.ndarray


def write(folder: Path, weights: Array, dtype: str) -> str:
    """A Qwen3 of these weights, float32 in one row, stored in `dtype`."""
    import torch
    from safetensors.torch import save_file

    tensors = {
        name: torch.from_numpy(weights[end - int(np.prod(shape)) : end].reshape(shape)).to(getattr(torch, dtype))
        for (name, shape), end in zip(SHAPES.items(), SPLIT.values(), strict=True)
    }
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}')
    (folder / "tokenizer_config.json").write_text('{"chat_template": "{{ messages }}"}')
    (folder / "generation_config.json").write_text("{}")
    return str(folder)


def read(folder: str | Path) -> Array:
    found = open_checkpoint(folder)
    return np.concatenate([found.float32(name) for name in SHAPES])


def merge(text: str, out: Path) -> str:
    """The real mergekit, without starting a process."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    options = MergeOptions(quiet=True, write_model_card=False)
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), str(out), options)
    return str(out)


def drawn(seed: int) -> Array:
    """Weights of a student: 0.02 in matrices, around 1 in norms."""
    draw = np.random.default_rng(seed)
    weights = draw.normal(0, 0.02, SIZE)
    for (name, shape), end in zip(SHAPES.items(), SPLIT.values(), strict=True):
        if "norm" in name:
            weights[end - shape[0] : end] = 1 + draw.normal(0, 0.3, shape[0])
    return weights.astype(np.float32)


def moves(count: int, size: float, seed: int) -> list[Array]:
    """Updates as 50 Adam steps leave them: of one size whatever the weight, three tenths of it shared by the teachers."""
    draw = np.random.default_rng(seed)
    shared = draw.normal(size=SIZE)
    return [(size * (0.3**0.5 * shared + 0.7**0.5 * draw.normal(size=SIZE))).astype(np.float32) for _ in range(count)]


def rounded(weights: Array) -> Array:
    return from_bfloat16(to_bfloat16(weights))


def linear(branches: Sequence[str], out_dtype: str = "bfloat16") -> str:
    """mergekit_configs/linear.yaml, filled."""
    shipped = Path(__file__).parents[2] / "mergekit_configs" / "linear.yaml"
    models = [{"model": path} for path in branches]
    filled = yaml.safe_load(shipped.read_text()) | {"models": models, "base_model": branches[0], "out_dtype": out_dtype}
    return yaml.safe_dump(filled)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_the_plain_mean_is_the_float32_mean_rounded_once(tmp_path: Path, count: int, dtype: str) -> None:
    """Not one element differs from the float32 mean. Of the mean in infinite precision nearly none: see `off`."""
    start = rounded(drawn(count))
    branches = [start + move for move in moves(count, 1e-4, count)]
    paths = [write(tmp_path / f"b{n}", branch, dtype) for n, branch in enumerate(branches)]
    stored = [rounded(branch) if dtype == "bfloat16" else branch for branch in branches]
    total = np.zeros(SIZE, np.float32)
    for branch in stored:
        total += branch
    found = read(merge(linear(paths), tmp_path / "out"))
    assert int((found != rounded(total / np.float32(count))).sum()) == 0
    exact = sum(branch.astype(np.float64) for branch in stored) / count
    off = int((found != rounded(exact.astype(np.float32))).sum())
    print(f"K={count} {dtype}: {off} of {SIZE} differ from the exact mean's bfloat16")
    assert off <= 1e-4 * SIZE


def worst(found: Array, exact: Array, inputs: Sequence[Array]) -> float:
    """The largest error in units of float32's last place, at the largest of the numbers that were added."""
    scale = np.max(np.abs(np.stack([np.float32(part) for part in inputs])), axis=0)
    return float((np.abs(found - exact) / np.spacing(scale)).max())


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_the_accumulator_is_exact_to_float32(tmp_path: Path, count: int, dtype: str) -> None:
    accumulator = drawn(count)
    start = rounded(accumulator)
    paths = [write(tmp_path / f"b{n}", start + move, dtype) for n, move in enumerate(moves(count, 1e-4, count))]
    branches = [read(path).astype(np.float64) for path in paths]
    held = [write(tmp_path / "start", start, "bfloat16"), write(tmp_path / "held", accumulator, "float32")]
    found = read(merge(carry.accumulate(paths, *held), tmp_path / "out"))
    exact = accumulator + sum(branches) / count - start
    update = exact - accumulator
    units = worst(found, exact, [accumulator, start, *branches])
    lost = float(np.linalg.norm(found - exact) / np.linalg.norm(update))
    right = float((found == exact.astype(np.float32)).mean())
    print(f"K={count} {dtype}: worst {units:.2f} units, {right:.2%} correctly rounded, {lost:.1e} of the update lost")
    assert units <= (2 if dtype == "bfloat16" else 4)
    assert lost < 1e-4
    if dtype == "bfloat16" and count in (1, 2, 4):
        assert right > 0.9999  # nothing but one addition rounds, except where a weight is a thousandth of its updates


def test_one_over_k_would_be_worse(tmp_path: Path) -> None:
    """Why `accumulate` writes whole numbers and divides, and puts the accumulator last."""
    accumulator = drawn(0)
    start = rounded(accumulator)
    paths = [write(tmp_path / f"b{n}", start + move, "bfloat16") for n, move in enumerate(moves(4, 1e-4, 0))]
    held = [write(tmp_path / "start", start, "bfloat16"), write(tmp_path / "held", accumulator, "float32")]
    plain = yaml.safe_load(carry.accumulate(paths, *held))
    weights = {held[1]: 1.0} | dict.fromkeys(paths, 0.25) | {held[0]: -1.0}
    plain["models"] = [{"model": path, "parameters": {"weight": weight}} for path, weight in weights.items()]
    plain["parameters"] = {"normalize": False}
    exact = accumulator + sum(read(path).astype(np.float64) for path in paths) / 4 - start
    found = read(merge(yaml.safe_dump(plain), tmp_path / "plain"))
    better = read(merge(carry.accumulate(paths, *held), tmp_path / "better"))
    assert np.linalg.norm(found - exact) > 5 * np.linalg.norm(better - exact)


def test_weights_by_teacher(tmp_path: Path) -> None:
    accumulator = drawn(7)
    start = rounded(accumulator)
    paths = [write(tmp_path / f"b{n}", start + move, "bfloat16") for n, move in enumerate(moves(3, 1e-4, 7))]
    held = [write(tmp_path / "start", start, "bfloat16"), write(tmp_path / "held", accumulator, "float32")]
    weights = [0.7, 0.2, 0.3]
    found = read(merge(carry.accumulate(paths, *held, weights), tmp_path / "out"))
    branches = [read(path).astype(np.float64) for path in paths]
    exact = accumulator + np.average(branches, axis=0, weights=weights) - start
    units = worst(found, exact, [accumulator, start, *branches])
    print(f"weights {weights}: worst {units:.2f} units")
    assert units <= 4


def test_shipping_rounds_once_and_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accumulator = drawn(3)
    held, base = (
        write(tmp_path / "held", accumulator, "float32"),
        write(tmp_path / "base", rounded(accumulator), "bfloat16"),
    )
    model = merge(carry.ship(held), tmp_path / "model")
    assert int((read(model) != rounded(accumulator)).sum()) == 0
    config = merged.Config(model=model, start=base, branches={"accumulator": held}, weights={"accumulator": 1.0})
    merged.run(config)
    assert "compared bit for bit" in capsys.readouterr().out


class Carry:
    """One way to come from round to round, on real files with the real mergekit."""

    def __init__(self, folder: Path, start: Array, stored: str) -> None:
        self.folder, self.stored = folder, stored
        self.start = write(folder / "0" / "start", start, "bfloat16")
        self.base = self.start

    def branches(self, number: int, updates: list[Array]) -> dict[str, str]:
        """Each teacher's update on the current start, saved as the trainer saves it."""
        start = read(self.start)
        return {
            f"b{k}": write(self.folder / str(number) / f"b{k}", start + update, self.stored)
            for k, update in enumerate(updates)
        }


def carried_in_float32(run: Carry, rounds: list[list[Array]]) -> tuple[str, list[dict[str, Any]]]:
    """The five files per round as a plan would call them: accumulate, shadow, ship; then the report."""
    accumulator: str | None = None
    shadow, reports = run.base, []
    for number, updates in enumerate(rounds, 1):
        here = run.folder / str(number)
        branches = run.branches(number, updates)
        paths = list(branches.values())
        before, accumulator = accumulator, merge(carry.accumulate(paths, run.start, accumulator), here / "accumulator")
        shadow = merge(carry.accumulate(paths, run.start, shadow, out_dtype="bfloat16"), here / "shadow")
        carry_loss.run(
            carry_loss.Config(
                start=run.start,
                branches=branches,
                before=before,
                after=accumulator,
                base=run.base,
                shadow=shadow,
                out=str(here),
            )
        )
        reports.append(json.loads((here / "carry.json").read_text()))
        run.start = merge(carry.ship(accumulator), here / "model")
    assert accumulator is not None
    return accumulator, reports


@pytest.mark.parametrize(
    ("stored", "size", "times"),
    [("bfloat16", 1.5e-4, 2.0), ("bfloat16", 8e-5, 1.5), ("float32", 8e-5, 1000.0)],
    ids=["bf16 branches, large moves", "bf16 branches", "float32 branches"],
)
def test_five_rounds_lose_less(tmp_path: Path, stored: str, size: float, times: float) -> None:
    """Errors after five rounds of the same updates, against averaging them with nothing rounded."""
    base = rounded(drawn(11))
    rounds = [moves(4, size, 100 + number) for number in range(5)]
    exact = sum(np.mean(np.stack(updates).astype(np.float64), axis=0) for updates in rounds)
    accumulator, reports = carried_in_float32(Carry(tmp_path / "float32", base, stored), rounds)
    plain = Carry(tmp_path / "bfloat16", base, stored)
    for number, updates in enumerate(rounds, 1):
        paths = list(plain.branches(number, updates).values())
        plain.start = merge(linear(paths), tmp_path / "bfloat16" / str(number) / "model")

    def error(model: str) -> float:
        return float(np.linalg.norm(read(model).astype(np.float64) - base - exact) / np.linalg.norm(exact))

    kept, lost = error(accumulator), error(plain.start)
    print(f"{stored} {size}: float32 carry {kept:.3g}, bfloat16 carry {lost:.3g}, ratio {lost / kept:.3g}")
    print(json.dumps(reports[-1]))
    assert lost / kept >= times
    last = reports[-1]
    assert last["round_float32"]["relative_l2"] < 1e-3
    assert last["round_bfloat16"]["relative_l2"] > 0.2
    assert last["all_bfloat16"]["relative_l2"] > last["all_shipped"]["relative_l2"]


def test_an_accumulator_of_other_branches_is_seen(tmp_path: Path) -> None:
    start = rounded(drawn(5))
    held = write(tmp_path / "start", start, "bfloat16")
    paths = [write(tmp_path / f"b{n}", start + move, "bfloat16") for n, move in enumerate(moves(3, 1e-4, 5))]
    after = merge(carry.accumulate(paths[:2], held, None), tmp_path / "after")
    config = carry_loss.Config(
        start=held, branches={"a": paths[0], "b": paths[2]}, after=after, out=str(tmp_path / "r")
    )
    with pytest.raises(CheckFailed, match=r"is not accumulator \+ mean\(branch - start\)"):
        carry_loss.run(config)
