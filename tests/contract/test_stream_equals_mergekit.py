"""The stream engine against the real mergekit on the same file: the same bytes, whatever the dtypes, weights and models."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mot_plugin.errors import FileError
from mot_plugin.merging.stream import Config, run

pytestmark = pytest.mark.contract
SIZES = {
    "vocab_size": 320,
    "hidden_size": 36,  # rows that are no multiple of a processor's vectors
    "intermediate_size": 52,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 18,
}
EXPERTS = {"num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 28}
Make = Callable[..., Path]


def model(*, experts: bool = False, **changes: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    kind = "Qwen3Moe" if experts else "Qwen3"
    more = (EXPERTS if experts else {}) | {"tie_word_embeddings": True} | changes
    return getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**SIZES, **more))


def fill(one: Any, seed: int, dtype: str) -> dict[str, Any]:
    """Random weights of very different magnitudes, zeros of both signs and subnormal numbers among them."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    found = {}
    for name, value in one.state_dict().items():
        values = torch.randn(value.shape, generator=draw) * 10 ** (torch.rand(value.shape, generator=draw) * 6 - 6)
        flat = values.view(-1)
        flat[::17] = 0.0
        flat[3::19] = -0.0
        flat[5::23] *= 1e-36
        found[name] = values.to(getattr(torch, dtype))
    if one.config.tie_word_embeddings:
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    return found


@pytest.fixture(scope="module")
def branches(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Makes a model folder once per kind; the same arguments give the same folder."""
    root = tmp_path_factory.mktemp("models")

    def make(seed: int, dtype: str = "bfloat16", shard: str = "5GB", **changes: Any) -> Path:
        import torch

        name = "-".join(str(part) for part in (seed, dtype, shard, *sorted(changes.items()))).translate(
            dict.fromkeys(map(ord, "(') ,"), "")
        )
        folder = root / name
        if not folder.exists():
            one = model(**changes).to(getattr(torch, dtype))
            one.load_state_dict(fill(one, seed, dtype))
            one.save_pretrained(folder, max_shard_size=shard)
            (folder / "tokenizer.json").write_text("{}")
            (folder / "tokenizer_config.json").write_text(json.dumps({"seed": seed}))
            (folder / "chat_template.jinja").write_text("{{ messages }}")
        return folder

    return make


def by_mergekit(text: str, out: Path, shard_bytes: int) -> None:
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    options = MergeOptions(quiet=True, write_model_card=False, out_shard_size=shard_bytes)
    run_merge(MergeConfiguration.model_validate(yaml.safe_load(text)), str(out), options)


def stored(folder: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """All tensors as they are stored, whatever file they are in."""
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        content = file.read_bytes()
        length = int.from_bytes(content[:8], "little")
        for name, entry in json.loads(content[8 : 8 + length]).items():
            if name != "__metadata__":
                begin, end = (8 + length + offset for offset in entry["data_offsets"])
                found[name] = (entry["dtype"], tuple(entry["shape"]), content[begin:end])
    return found


def compare(
    tmp_path: Path, inputs: Sequence[Path], weights: Sequence[float], *, shard_bytes: int = 5 * 10**9, **keys: Any
) -> tuple[Path, Path]:
    """Both engines on one file; the folders that they made, after everything that must be the same was."""
    pytest.importorskip("mergekit")
    models = [
        {"model": str(path), "parameters": {"weight": weight}} for path, weight in zip(inputs, weights, strict=True)
    ]
    plain = {"merge_method": "linear", "base_model": str(inputs[0]), "dtype": "float32", "out_dtype": "bfloat16"}
    text = yaml.safe_dump(plain | {"models": models} | keys, sort_keys=False)
    (tmp_path / "merge.yaml").write_text(text)
    theirs, ours = tmp_path / "mergekit", tmp_path / "stream"
    by_mergekit(text, theirs, shard_bytes)
    run(Config(config=str(tmp_path / "merge.yaml"), out=str(ours), shard_bytes=shard_bytes))
    expected, found = stored(theirs), stored(ours)
    assert found.keys() == expected.keys()
    different = [name for name in expected if found[name] != expected[name]]
    assert not different, different
    assert {path.name for path in ours.iterdir()} == {path.name for path in theirs.iterdir()}
    for path in theirs.iterdir():
        if path.suffix != ".safetensors" and path.name not in ("config.json", "model.safetensors.index.json"):
            assert (ours / path.name).read_bytes() == path.read_bytes()
    assert json.loads((ours / "config.json").read_text()) == json.loads((theirs / "config.json").read_text())
    return theirs, ours


# The sum of the first 5, 6, 7 and 8 odd ones depends on the order in which they are added.
ONES, ODD, SIGNED = [1.0] * 8, [1.28, 1.38, 1.14, 1.27, 0.47, 1.04, 1.26, 0.97], [1.0, *[1 / 6] * 6, -1.0]


@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("weights", [ONES, ODD], ids=["ones", "odd"])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_any_number_of_models_of_any_dtype(
    tmp_path: Path, branches: Make, dtype: str, weights: list[float], count: int
) -> None:
    theirs, ours = compare(tmp_path, [branches(seed, dtype) for seed in range(count)], weights[:count])
    assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()


@pytest.mark.parametrize("out", ["bfloat16", "float16", "float32", None])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
@pytest.mark.parametrize("weights", [SIGNED, [1.0, 0.25, 0.25, 0.25, 0.25, -1.0]], ids=["sixths", "quarters"])
def test_signed_weights_without_a_divisor(
    tmp_path: Path, branches: Make, dtype: str, out: str | None, weights: list[float]
) -> None:
    """The float32 carry of a round: A + mean(branches) - start."""
    first = branches(90, "float32")
    inputs = [first, *(branches(seed, dtype) for seed in range(len(weights) - 1))]
    compare(tmp_path, inputs, weights, parameters={"normalize": False}, out_dtype=out)


@pytest.mark.parametrize("changes", [{"parameters": {"lambda": 0.7}}, {"parameters": {"normalize": True}}, {}])
@pytest.mark.parametrize("count", range(1, 5))
@pytest.mark.parametrize("weights", [ONES, ODD], ids=["ones", "odd"])
def test_task_arithmetic(
    tmp_path: Path, branches: Make, weights: list[float], count: int, changes: dict[str, Any]
) -> None:
    base = branches(50, "bfloat16")
    inputs = [branches(seed, ("float32", "bfloat16")[seed % 2]) for seed in range(count)]
    compare(tmp_path, inputs, weights[:count], merge_method="task_arithmetic", base_model=str(base), **changes)


@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.3, 0.7, 0.2]], ids=["ones", "odd"])
def test_dtypes_mixed_and_files_split_differently(tmp_path: Path, branches: Make, weights: list[float]) -> None:
    inputs = [branches(0, "float32", "30KB"), branches(1, "bfloat16"), branches(2, "float16", "20KB")]
    theirs, ours = compare(tmp_path, inputs, weights, shard_bytes=20_000)
    names = sorted(path.name for path in theirs.glob("*.safetensors"))
    assert len(names) > 2
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()
    indices = [json.loads((folder / "model.safetensors.index.json").read_text()) for folder in (theirs, ours)]
    assert list(indices[0]["weight_map"].items()) == list(indices[1]["weight_map"].items())
    assert indices[0]["metadata"]["total_size"] == indices[1]["metadata"]["total_size"]


@pytest.mark.parametrize("shard_bytes", [5 * 10**9, 30_000])
@pytest.mark.parametrize("weights", [[1.0, 1.0, 1.0], [0.3, 0.7, 0.2]], ids=["ones", "odd"])
def test_a_mixture_of_experts(tmp_path: Path, branches: Make, weights: list[float], shard_bytes: int) -> None:
    kinds = {"experts": True, "tie_word_embeddings": False}
    inputs = [branches(0, "float32", "30KB", **kinds), branches(1, **kinds), branches(2, **kinds)]
    theirs, ours = compare(tmp_path, inputs, weights, shard_bytes=shard_bytes)
    assert "model.layers.1.mlp.experts.gate_up_proj" in stored(ours)
    if shard_bytes > 30_000:
        assert (ours / "model.safetensors").read_bytes() == (theirs / "model.safetensors").read_bytes()
        # and the next round reads what this one wrote, beside experts one by one
        (tmp_path / "next").mkdir()
        compare(tmp_path / "next", [ours, inputs[1]], [1.0, 0.5])


@pytest.mark.parametrize("first", [0, 1])
def test_one_tied_model_stores_its_head(tmp_path: Path, branches: Make, first: int) -> None:
    from safetensors.numpy import load_file, save_file

    plain, extra = branches(0, "float32"), tmp_path / "extra"
    extra.mkdir()
    for path in branches(1, "float32").iterdir():
        (extra / path.name).write_bytes(path.read_bytes())
    held = load_file(extra / "model.safetensors")
    save_file(held | {"lm_head.weight": held["model.embed_tokens.weight"] + np.float32(1)}, extra / "model.safetensors")
    _, ours = compare(tmp_path, [plain, extra][:: 1 - 2 * first], [0.3, 0.7])
    assert "lm_head.weight" in stored(ours)


def test_untied_and_a_base_that_is_averaged_in(tmp_path: Path, branches: Make) -> None:
    inputs = [branches(seed, tie_word_embeddings=False) for seed in range(3)]
    _, ours = compare(tmp_path, inputs[:2], [1, 2], base_model=str(inputs[2]), parameters={"weight": "5e-1"})
    assert json.loads((ours / "tokenizer_config.json").read_text()) == {"seed": 2}
    assert "lm_head.weight" in stored(ours)


def test_five_updates_go_to_mergekit_because_its_order_is_not_fixed(tmp_path: Path, branches: Make) -> None:
    inputs, base = [branches(seed, "float32") for seed in range(5)], str(branches(50))
    with pytest.raises(FileError, match="order that depends on its threads"):
        compare(tmp_path, inputs, ODD[:5], merge_method="task_arithmetic", base_model=base)
