"""Every file of mergekit_configs by hand, with the README's line, against a calculation of our own in float64."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "merging"))
import reference_methods as reference
from tiny_models import write_shards

from mot_plugin.errors import CheckFailed
from mot_plugin.merging import carry, merged
from mot_plugin.merging.compatible import compatible
from mot_plugin.merging.weights import from_bfloat16, open_checkpoint, to_bfloat16

SHIPPED = Path(__file__).parents[2] / "mergekit_configs"
MERGEKIT = Path(sys.executable).parent / "mergekit-yaml"
SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
}
Tensors = dict[str, np.ndarray]

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(not MERGEKIT.exists(), reason="mergekit is not installed in this environment"),
]


def values(folder: Path) -> Tensors:
    found = open_checkpoint(folder)
    return {name: found.float32(name).astype(np.float64).reshape(info.shape) for name, info in found.tensors.items()}


def save(model: Any, tensors: Tensors, folder: Path, dtype: str = "float32", **how: Any) -> None:
    """The model with these tensors, and a tokenizer beside it."""
    import torch

    state = {name: torch.from_numpy(np.float32(value)) for name, value in tensors.items()}
    if model.config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.to(torch.float32)
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert not missing
    model.to(getattr(torch, dtype)).save_pretrained(folder, **how)
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": {}, "merges": []}, "added_tokens": []}')
    (folder / "tokenizer_config.json").write_text('{"eos_token": "x", "chat_template": "{{ messages }}"}')
    (folder / "generation_config.json").write_text('{"eos_token_id": 2}')


def make(folder: Path, model: Any, moves: dict[str, float], shared: float = 0.5, dtype: str = "float32") -> None:
    """`student` in bfloat16, and per name a branch whose updates have this size, partly in common."""
    import torch

    model.to(torch.float32)
    held = {
        name: value.numpy().copy()
        for name, value in model.state_dict().items()
        if not (model.config.tie_word_embeddings and name == "lm_head.weight")
    }
    start = {name: from_bfloat16(to_bfloat16(value)) for name, value in held.items()}
    save(model, start, folder / "student", "bfloat16")
    draw = np.random.default_rng(1)
    common = {name: draw.normal(size=value.shape) for name, value in start.items()}
    for name, size in moves.items():
        branch = {
            key: value + size * (shared * common[key] + (1 - shared**2) ** 0.5 * draw.normal(size=value.shape))
            for key, value in start.items()
        }
        save(model, branch, folder / "branches" / name, dtype)


def qwen3(**changes: Any) -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    return Qwen3ForCausalLM(Qwen3Config(**SIZES | {"tie_word_embeddings": True} | changes))


def by_hand(folder: Path, file: str, out: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The line in mergekit_configs/README.md, with this file and this folder in place of FILE.yaml and merged."""
    line = re.search(r"^mergekit-yaml FILE\.yaml merged .*$", (SHIPPED / "README.md").read_text(), re.MULTILINE)
    assert line is not None
    argv = line.group().replace("FILE.yaml", file).replace("merged", out).split()
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [str(MERGEKIT), *argv[1:]], cwd=folder, env=offline, capture_output=True, text=True, check=False
    )


def warm(folder: Path, out: str, config: dict[str, Any]) -> Tensors:
    """mergekit itself, without starting a process; paths are relative to `folder`."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    text = re.sub(r"\b(branches/\w+|student)\b", rf"{folder}/\1", yaml.safe_dump(config))
    wanted = MergeConfiguration.model_validate(yaml.safe_load(text))
    run_merge(wanted, str(folder / out), MergeOptions(quiet=True, write_model_card=False))
    return values(folder / out)


def shipped(name: str, **parameters: Any) -> dict[str, Any]:
    config = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    config["parameters"] = config.get("parameters", {}) | parameters
    return dict(config)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three branches that went far and to different lengths, so that no method is the mean by accident."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("family")
    make(folder, qwen3(), {"a": 0.01, "b": 0.016, "c": 0.02})
    for file in SHIPPED.glob("*.yaml"):
        shutil.copy(file, folder)
    return folder


def parts_of(folder: Path, names: str = "ab") -> tuple[Tensors, list[Tensors]]:
    return values(folder / "student"), [values(folder / "branches" / name) for name in names]


def strangers(found: np.ndarray, expected: np.ndarray, inputs: list[np.ndarray], units: float) -> int:
    """How many elements are not the bfloat16 of any number within `units` float32 roundings of what is expected.

    A float32 rounding is 2**-24 of the magnitudes that were added. So a wrong formula shows, and a calculation in
    float32 whose last bit tips a bfloat16 rounding does not.
    """
    slack = units * 2.0**-24 * sum(np.abs(part) for part in inputs)
    low, high = (from_bfloat16(to_bfloat16(np.float32(expected + side * slack))) for side in (-1, 1))
    return int(((found < low) | (found > high)).sum())


# Per file: what is expected of one tensor, the names of the branches, and float32 roundings allowed (see `strangers`).
# 2 or 3 where each element is a handful of operations; more where a norm or an angle, itself a float32 sum over the
# tensor, scales the whole tensor. karcher ends its iteration at steps of 1e-5, which is 168 roundings of one magnitude.
Formula = Callable[[list[np.ndarray], np.ndarray], np.ndarray]
EXPECTED: dict[str, tuple[Formula, str, float]] = {
    "linear": (lambda parts, start: reference.mean(parts), "ab", 0),
    "one_shot": (lambda parts, start: reference.mean(parts), "ab", 0),
    "linear_weighted": (lambda parts, start: reference.mean(parts, [2, 1, 1]), "abc", 2),
    "reverse_probe": (lambda parts, start: 0.5 * parts[0] + 0.5 * start, "a", 0),
    "task_arithmetic": (lambda parts, start: reference.task_arithmetic(parts, start, 0.4), "ab", 2),
    "outer_step": (lambda parts, start: reference.outer_step(parts, start, 0.7), "ab", 2),
    "ties": (lambda parts, start: reference.ties(parts, start, 0.5), "ab", 2),
    "model_stock": (reference.model_stock, "ab", 3),
    "multislerp": (lambda parts, start: reference.multislerp(parts), "ab", 8),
    "karcher": (lambda parts, start: reference.karcher(parts), "ab", 84),
    "slerp": (lambda parts, start: reference.slerp(*parts, 0.5), "ab", 8),
    "nuslerp": (reference.nuslerp, "ab", 4),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_shipped_file_as_it_stands(family: Path, name: str) -> None:
    formula, branches, units = EXPECTED[name]
    done = by_hand(family, f"{name}.yaml", f"merged-{name}")
    assert done.returncode == 0, done.stderr
    start, parts = parts_of(family, branches)
    found = values(family / f"merged-{name}")
    assert found.keys() == start.keys()
    for key, value in found.items():
        inputs = [part[key] for part in parts]
        wrong = strangers(value, formula(inputs, start[key]), [*inputs, start[key]], units)
        assert not wrong, f"{key}: {wrong} of {value.size}"
    if name not in ("linear", "one_shot"):  # what is not the mean was seen not to be
        key = "model.layers.0.mlp.up_proj.weight"
        inputs = [part[key] for part in parts]
        assert strangers(found[key], reference.mean(inputs), [*inputs, start[key]], units) > 0.05 * found[key].size


def test_sce_as_it_stands(family: Path) -> None:
    done = by_hand(family, "sce.yaml", "merged-sce")
    assert done.returncode == 0, done.stderr
    start, parts = parts_of(family)
    for key, value in values(family / "merged-sce").items():
        inputs = [part[key] for part in parts]
        expected, certain = reference.sce(inputs, start[key], 0.5)
        assert (~certain).sum() <= 1 + 0.001 * value.size
        assert not strangers(value[certain], expected[certain], [part[certain] for part in [*inputs, start[key]]], 3)


@pytest.mark.parametrize("name", ["dare_linear", "dare_ties"])
def test_dare_as_it_stands(family: Path, name: str) -> None:
    """Its draws are its own, so each element must be one of the few values that some draw gives, at the asked rate."""
    done = by_hand(family, f"{name}.yaml", f"merged-{name}")
    assert done.returncode == 0, done.stderr
    start, parts = parts_of(family)
    counts, seen = np.zeros(4), 0
    for key, value in values(family / f"merged-{name}").items():
        if value.size < 4096:
            continue  # the scale of a small tensor's update depends too much on the draw
        changes = reference.updates([part[key] for part in parts], start[key])
        best = np.full(value.shape, np.inf)
        which = np.zeros(value.shape, int)
        for kept in range(4):
            chosen = np.stack([np.full(value.shape, bool(kept >> k & 1)) for k in range(2)])
            doubled = 2 * np.where(chosen, changes, 0)
            voting = reference.agreeing(doubled) if name == "dare_ties" else np.ones_like(chosen)
            off = np.abs(value - (start[key] + reference.mean_of(doubled, voting)))
            which, best = np.where(off < best, kept, which), np.minimum(off, best)
        # kept updates grow by the ratio of magnitudes, 2 in expectation, a few percent off on 4096 elements
        allowed = 0.05 * 2 * np.abs(changes).sum(0) + 2.0**-8 * np.abs(start[key])
        assert (best <= allowed).all(), key
        far = np.abs(changes).min(0) > 0.25 * np.abs(changes).max()  # where the four values are well apart
        agree = (changes[0] > 0) == (changes[1] > 0)
        counts += np.bincount(which[far & agree] if name == "dare_ties" else which[far], minlength=4)
        seen += 1
    assert seen >= 8
    shares = counts / counts.sum()
    assert counts.sum() > 1000
    assert np.abs(shares - 0.25).max() < 0.03, shares  # both kept, neither, one of them: a quarter each at density 0.5


@pytest.mark.parametrize("name", ["dare_linear", "dare_ties"])
def test_dare_is_the_same_with_the_same_seed(family: Path, name: str) -> None:
    """In another process with another order of Python's sets."""
    config = yaml.safe_load((family / f"{name}.yaml").read_text())
    (family / f"again-{name}.yaml").write_text(yaml.safe_dump(config))
    found = []
    for number in (1, 2):
        out = f"again-{name}-{number}"
        assert by_hand(family, f"again-{name}.yaml", out, PYTHONHASHSEED=str(number)).returncode == 0
        found.append((family / out / "model.safetensors").read_bytes())
    assert found[0] == found[1]


def test_dare_is_another_one_without_a_seed(family: Path) -> None:
    one, other = (warm(family, f"unseeded-{number}", shipped("dare_linear")) for number in (1, 2))
    assert any(not np.array_equal(one[key], other[key]) for key in one)


WITH_STUDENT = ["ties", "task_arithmetic", "outer_step", "sce", "model_stock", "nuslerp"]


@pytest.mark.parametrize("name", WITH_STUDENT)
def test_a_student_that_is_the_base_is_never_averaged_in(family: Path, name: str) -> None:
    config = shipped(name)
    plain = warm(family, f"base-{name}", config)
    config["models"] = [*config["models"], {"model": "student"}]
    listed = warm(family, f"listed-{name}", config)
    assert all(np.array_equal(plain[key], listed[key]) for key in plain)


@pytest.mark.parametrize("name", ["linear", "karcher"])
def test_a_student_that_is_the_donor_is_averaged_in(family: Path, name: str) -> None:
    config = shipped(name)
    config["base_model"] = "student"
    found = warm(family, f"donor-{name}", config)
    start, parts = parts_of(family)
    key = "model.layers.0.mlp.up_proj.weight"
    inputs = [*(part[key] for part in parts), start[key]]
    expected = reference.mean(inputs) if name == "linear" else reference.karcher(inputs)
    assert not strangers(found[key], expected, inputs, 40)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_lambda_0_is_the_checkpoint_and_1_the_base(family: Path, share: float) -> None:
    config = shipped("reverse_probe")
    for entry, weight in zip(config["models"], (1 - share, share), strict=True):
        entry["parameters"]["weight"] = weight
    found = warm(family, f"probe-{share}", config)
    start, (checkpoint,) = parts_of(family, "a")
    for key, value in found.items():
        expected = share * start[key] + (1 - share) * checkpoint[key]
        assert not strangers(value, expected, [start[key], checkpoint[key]], 0 if share in (0, 1) else 2)


@pytest.mark.parametrize("name", ["ties", "karcher", "multislerp", "model_stock", "sce"])
def test_three_branches(family: Path, name: str) -> None:
    config = shipped(name)
    config["models"] += [{"model": "branches/c"}]
    start, parts = parts_of(family, "abc")
    for key, value in warm(family, f"three-{name}", config).items():
        inputs, certain = [part[key] for part in parts], np.ones(value.shape, bool)
        if name == "sce":
            expected, certain = reference.sce(inputs, start[key], 0.5)
        else:
            expected = EXPECTED[name][0](inputs, start[key])
        units = EXPECTED[name][2] if name in EXPECTED else 3
        assert not strangers(
            value[certain], expected[certain], [part[certain] for part in [*inputs, start[key]]], units
        ), key


@pytest.fixture(scope="module")
def round_of_mot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branches as a round leaves them: updates of 1e-4, in bfloat16, where the norms do not move at all."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("round")
    make(folder, qwen3(), {"a": 1e-4, "b": 1.5e-4, "c": 2e-4}, dtype="bfloat16")
    return folder


def test_on_a_round_the_sphere_is_flat(round_of_mot: Path) -> None:
    """What the files of slerp, karcher and multislerp say: on branches of one round they are the mean, nearly."""
    start, parts = parts_of(round_of_mot)
    for name in ("slerp", "karcher", "multislerp"):
        found = warm(round_of_mot, f"flat-{name}", shipped(name) | {"out_dtype": "float32"})
        steps, apart = 0.0, 0.0
        for key, value in found.items():
            mean = reference.mean([part[key] for part in parts])
            steps += float(((mean - start[key]) ** 2).sum())
            apart += float(((value - mean) ** 2).sum())
        share = (apart / steps) ** 0.5
        print(f"{name}: {share:.2e} of the mean update away from the mean")
        assert share < 1e-2


def test_on_a_round_sce_weighs_all_branches_alike(round_of_mot: Path) -> None:
    start, parts = parts_of(round_of_mot)
    found = warm(round_of_mot, "small-sce", shipped("sce", select_topk=1.0))
    for key, value in found.items():
        inputs = [part[key] for part in parts]
        expected, certain = reference.sce(inputs, start[key], 1.0, energy=False)
        assert not strangers(value[certain], expected[certain], [part[certain] for part in [*inputs, start[key]]], 3)


def test_sce_of_one_branch_is_the_start(round_of_mot: Path) -> None:
    config = shipped("sce")
    config["models"] = config["models"][:1]
    start = values(round_of_mot / "student")
    assert all(np.array_equal(value, start[key]) for key, value in warm(round_of_mot, "one-sce", config).items())


def test_multislerp_of_updates_stops_where_nothing_moved(round_of_mot: Path) -> None:
    config = shipped("multislerp") | {"base_model": "student"}
    config["models"] += [{"model": "branches/c"}]
    with pytest.raises(ValueError, match="antipodal"):
        warm(round_of_mot, "stopped", config)


def moe() -> Any:
    import torch
    from transformers import Qwen3MoeConfig, Qwen3MoeForCausalLM

    torch.manual_seed(0)
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
    return Qwen3MoeForCausalLM(Qwen3MoeConfig(**SIZES | experts, tie_word_embeddings=False))


@pytest.mark.parametrize("model", [qwen3, lambda: qwen3(tie_word_embeddings=False), moe], ids=["tied", "untied", "moe"])
def test_sharded_and_single_files_merge_alike(tmp_path: Path, model: Callable[[], Any]) -> None:
    pytest.importorskip("transformers")
    from safetensors.torch import load_file

    make(tmp_path, model(), {"a": 0.01, "b": 0.02})
    single = warm(tmp_path, "single", shipped("linear"))
    for name in "ab":
        folder = tmp_path / "branches" / name
        loaded = {key: value.numpy() for key, value in load_file(folder / "model.safetensors").items()}
        (folder / "model.safetensors").unlink()
        keys = sorted(loaded)
        write_shards(folder, *({key: loaded[key] for key in keys[n::3]} for n in range(3)))
        folder.rename(folder.with_name(f"{name}s"))  # mergekit remembers the folders that it has read
    config = shipped("linear") | {"base_model": "branches/as"}
    config["models"] = [{"model": "branches/as"}, {"model": "branches/bs"}]
    sharded = warm(tmp_path, "sharded", config)
    assert sharded.keys() == single.keys()
    assert all(np.array_equal(single[key], sharded[key]) for key in single)
    start, parts = values(tmp_path / "student"), [values(tmp_path / "branches" / name) for name in ("as", "bs")]
    assert ("lm_head.weight" in single) == ("lm_head.weight" in start)
    for key, value in single.items():
        inputs = [part[key] for part in parts]
        assert not strangers(value, reference.mean(inputs), inputs, 0), key


@pytest.mark.parametrize("name", ["ties", "sce", "model_stock", "task_arithmetic"])
def test_a_mixture_of_experts_merges_with_any_method(tmp_path: Path, name: str) -> None:
    """mergekit treats all experts of a layer as one tensor, so trims and ratios are a layer's and not an expert's."""
    pytest.importorskip("transformers")
    make(tmp_path, moe(), {"a": 0.01, "b": 0.02})
    found, start = warm(tmp_path, "out", shipped(name)), values(tmp_path / "student")
    assert found.keys() == start.keys()
    if name == "task_arithmetic":
        parts = [values(tmp_path / "branches" / branch) for branch in "ab"]
        for key, value in found.items():
            inputs = [part[key] for part in parts]
            assert not strangers(value, reference.task_arithmetic(inputs, start[key], 0.4), [*inputs, start[key]], 2)


def test_the_float32_carry_of_a_mixture_of_experts(tmp_path: Path) -> None:
    """From round 2 on, mergekit's own files, with experts in one tensor, meet the trainer's, with one tensor each."""
    pytest.importorskip("transformers")
    make(tmp_path, moe(), {"a": 0.001, "b": 0.002}, dtype="bfloat16")
    parts = [values(tmp_path / "branches" / name) for name in "ab"]
    warm(tmp_path, "held1", yaml.safe_load(carry.accumulate(["branches/a", "branches/b"], "student", None)))
    first = values(tmp_path / "held1")
    second = warm(tmp_path, "next", yaml.safe_load(carry.ship(str(tmp_path / "held1"))))
    held = [str(tmp_path / "next"), str(tmp_path / "held1")]
    found = warm(tmp_path, "held2", yaml.safe_load(carry.accumulate(["branches/a", "branches/b"], *held)))
    assert found.keys() == values(tmp_path / "student").keys()
    for key, value in found.items():
        inputs = [part[key] for part in parts]
        assert np.array_equal(np.float32(first[key]), np.float32(reference.mean(inputs)))
        assert np.array_equal(second[key], from_bfloat16(to_bfloat16(np.float32(first[key]))))
        exact = first[key] + reference.mean(inputs) - second[key]
        assert np.abs(value - exact).max() <= 2.0**-22 * np.abs(first[key]).max()


def test_another_vocabulary_is_refused_before_mergekit_does(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    make(tmp_path, qwen3(), {"a": 0.01})
    make(tmp_path / "wide", qwen3(vocab_size=384), {"b": 0.01})
    shutil.move(tmp_path / "wide" / "branches" / "b", tmp_path / "branches" / "b")
    shutil.copy(SHIPPED / "linear.yaml", tmp_path)
    done = by_hand(tmp_path, "linear.yaml", "merged")
    assert done.returncode
    assert (tmp_path / "merged").exists()  # and it leaves a folder that looks like an output
    with pytest.raises(CheckFailed, match=r"b: model\.embed_tokens\.weight has 384 rows, .* the start has 320"):
        compatible({name: str(tmp_path / "branches" / name) for name in "ab"}, str(tmp_path / "student"))


def test_what_an_interrupted_merge_left_is_not_taken_for_a_merge(tmp_path: Path) -> None:
    """mergekit writes beside old shards and exits 0: two models in one folder."""
    pytest.importorskip("transformers")
    make(tmp_path, qwen3(), {"a": 0.01, "b": 0.02})
    shutil.copy(SHIPPED / "linear.yaml", tmp_path)
    branches = {name: str(tmp_path / "branches" / name) for name in "ab"}
    start, out = str(tmp_path / "student"), tmp_path / "merged"
    write_shards(out, {"model.norm.weight": np.zeros(64, np.uint16)})
    with pytest.raises(CheckFailed, match="already holds files"):
        compatible(branches, start, str(out))
    assert by_hand(tmp_path, "linear.yaml", "merged").returncode == 0
    check = merged.Config(model=str(out), start=start, branches=branches, weights={"a": 1, "b": 1})
    with pytest.raises(CheckFailed, match=r"has both model\.safetensors and model\.safetensors\.index\.json"):
        merged.run(check)
    shutil.rmtree(out)
    compatible(branches, start, str(out))
    assert by_hand(tmp_path, "linear.yaml", "merged").returncode == 0
    merged.run(check)
