"""The stream engine without mergekit: its arithmetic against exact fractions, what it refuses, what it leaves behind."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import Tensors, write_model, write_shards

from mot_plugin.errors import CheckFailed, FileError, MotError
from mot_plugin.merging import stream_sum, stream_tensors, stream_yaml
from mot_plugin.merging.stream import Config, run
from mot_plugin.merging.weights import from_bfloat16, open_checkpoint, to_bfloat16

QWEN = {"architectures": ["Qwen3ForCausalLM"], "num_hidden_layers": 1}
singles = st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**100, min_value=-(2.0**100))


def qwen(seed: int, dtype: str = "BF16", layers: int = 1) -> Tensors:
    """All tensors of a tiny Qwen3."""
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (16, 8), "model.norm.weight": (8,)}
    for layer in range(layers):
        for kind in stream_tensors.LAYERS["Qwen3ForCausalLM"]:
            shapes[f"model.layers.{layer}.{kind}"] = (8,) if "norm" in kind else (8, 8)
    found = {name: draw.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}
    return {name: to_bfloat16(array) for name, array in found.items()} if dtype == "BF16" else found


Prepare = Callable[..., Config]


@pytest.fixture
def prepare(tmp_path: Path) -> Prepare:
    """Writes models a, b, ... and a merge file of them; the config of the step."""

    def make(
        *models: Tensors, weights: list[float] | None = None, config: dict[str, Any] = QWEN, **keys: Any
    ) -> Config:
        paths = [
            write_model(tmp_path / name, tensors, **config) for name, tensors in zip("abcdefgh", models, strict=False)
        ]
        entries = [
            {"model": str(path), "parameters": {"weight": weight}}
            for path, weight in zip(paths, weights or [1.0] * len(paths), strict=True)
        ]
        merge = {"merge_method": "linear", "base_model": str(paths[0]), "models": entries, "dtype": "float32"}
        (tmp_path / "merge.yaml").write_text(yaml.safe_dump(merge | {"out_dtype": "bfloat16"} | keys))
        return Config(config=str(tmp_path / "merge.yaml"), out=str(tmp_path / "out"))

    return make


def exactly(total: np.float32, part: np.float32, weight: float) -> np.float32:
    """total + weight * part, rounded to float32 once, by comparing exact fractions with the neighbours."""
    true = Fraction(float(total)) + Fraction(float(part)) * Fraction(weight)
    near = np.float32(float(true))  # at most one float32 off
    candidates = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(
        candidates,
        key=lambda one: (abs(Fraction(float(one)) - true), int(one.view(np.uint32)) & 1),
    )


def fuse(total: np.ndarray, part: np.ndarray, weight: float) -> np.ndarray:
    result = total.copy()
    stream_sum.fused(result, part, weight, np.empty(total.size), np.empty(total.size))
    return result


@given(singles, singles, singles)
def test_fused_rounds_once(total: float, part: float, weight: float) -> None:
    numbers = np.array([total], np.float32), np.array([part], np.float32)
    weight = stream_yaml.single(weight % 8)  # products stay far from overflow
    assert fuse(*numbers, weight)[0] == exactly(numbers[0][0], numbers[1][0], weight)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("toward", [1, -1])
@pytest.mark.parametrize("odd", [0, 1])
def test_fused_where_rounding_twice_would_err(sign: int, toward: int, odd: int) -> None:
    """A sum a hair short of the middle of two float32: float64 loses the hair, and the middle would round to even."""
    total = np.array([sign * (1.5 + odd * 2.0**-23)], np.float32)
    part = np.array([sign * toward * 2.0**-24 * (1 + 2.0**-20)], np.float32)
    weight = 1 - 2.0**-20  # the product is 2**-24 * (1 - 2**-40)
    twice = np.float32(np.float64(total[0]) + np.float64(part[0]) * weight)
    assert (twice != total[0]) == bool(odd)  # what would go wrong
    assert fuse(total, part, weight)[0] == exactly(total[0], part[0], weight) == total[0]


@pytest.mark.parametrize("toward", [1, -1])
def test_fused_below_the_normal_numbers(toward: int) -> None:
    """The same where float32 has fewer bits: its middles are then no longer seen in the same bits of float64."""
    total = np.array([1.5 * 2.0**-127 + 2.0**-149], np.float32)
    part, weight = np.array([toward * 2.0**-90 * (1 + 2.0**-20)], np.float32), 2.0**-60 * (1 - 2.0**-20)
    assert np.float32(np.float64(total[0]) + np.float64(part[0]) * weight) != total[0]
    assert fuse(total, part, weight)[0] == exactly(total[0], part[0], weight) == total[0]


@pytest.mark.parametrize("weights", [[1.0, 1.0], [0.3, 0.7], [0.3, 1.0], [-2.0, 0.3]])
def test_sums_of_negative_zeros_are_zero(prepare: Prepare, weights: list[float]) -> None:
    models = [{name: np.full_like(array, 0x8000) for name, array in qwen(0).items()}] * 2
    config = prepare(*models, weights=weights, parameters={"normalize": False})
    run(config)
    assert not open_checkpoint(config.out).raw("model.norm.weight").any()


def test_fused_beside_the_middle_by_less_than_float64_holds() -> None:
    draw = np.random.default_rng(0)
    weight = float(np.float32(1 + 2.0**-23))
    total = (draw.integers(2**23, 2**24, 4000) * 2.0**-23).astype(np.float32)
    # products of 48 bits that end far below, with the sum in the middle of two float32 but for the last bits
    part = ((2.0**-24 + draw.integers(-3, 4, 4000) * 2.0**-47) * draw.choice([-1, 1], 4000)).astype(np.float32)
    expected = [exactly(t, p, weight) for t, p in zip(total, part, strict=True)]
    assert np.array_equal(fuse(total, part, weight), expected)
    weight = stream_yaml.single(0.3)
    subnormal = (draw.integers(-(2**20), 2**20, 4000) * 2.0**-149).astype(np.float32)
    expected = [exactly(t, p, weight) for t, p in zip(subnormal, subnormal[::-1], strict=True)]
    assert np.array_equal(fuse(subnormal, subnormal[::-1].copy(), weight), expected)


@pytest.mark.parametrize(("dtype", "weight"), [("BF16", 2.0**-16), ("F16", 2.0**-125), ("F32", 1.0), ("F32", -4.0)])
def test_products_called_exact_are(dtype: str, weight: float) -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    values = {"BF16": from_bfloat16(bits), "F16": bits.view(np.float16).astype(np.float32)}.get(dtype)
    values = bits.astype(np.uint32).view(np.float32) if values is None else values
    values = values[np.isfinite(values)]
    assert stream_sum.exact(dtype, weight)
    assert np.array_equal((values * np.float32(weight)).astype(np.float64), values.astype(np.float64) * weight)
    assert not stream_sum.exact(dtype, 0.3)
    assert not stream_sum.exact(dtype, weight / 2) or weight not in (2.0**-16, 2.0**-125, 1.0)


@pytest.mark.parametrize("count", range(1, 9))
def test_the_sum_of_weights_is_torchs(count: int) -> None:
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(count)
    for _ in range(200):
        weights = draw.uniform(-1, 1, count).astype(np.float32).tolist()
        assert stream_yaml.weight_sum(weights) == torch.tensor([weights]).sum(dim=1).item()


def test_the_sum_of_many_weights_only_where_no_order_matters() -> None:
    assert stream_yaml.weight_sum([1.0] * 40) == 40
    assert stream_yaml.weight_sum([0.25] * 40 + [-8.0]) == 2
    with pytest.raises(ValueError, match="order"):
        stream_yaml.weight_sum([stream_yaml.single(0.1)] * 9)


def test_mean_in_many_chunks(prepare: Prepare) -> None:
    models = [qwen(seed) for seed in range(3)]
    draw = np.random.default_rng(9)
    for model in models:  # two chunks and a bit, of many blocks each
        model["model.embed_tokens.weight"] = to_bfloat16(draw.normal(0, 0.1, (2201, 1001)).astype(np.float32))
    config = prepare(*models)
    run(config)
    merged = open_checkpoint(config.out)
    for name in models[0]:
        wide = [from_bfloat16(one[name]).astype(np.float64) for one in models]
        assert np.array_equal(merged.raw(name), to_bfloat16((sum(wide) / 3).astype(np.float32)).ravel())


def test_files_are_split_and_indexed(prepare: Prepare) -> None:
    config = prepare(qwen(0), qwen(1)).model_copy(update={"shard_bytes": 300})
    run(config)
    files = sorted(path.name for path in Path(config.out).glob("*.safetensors"))
    assert len(files) > 3
    assert files[0] == f"model-00001-of-{len(files):05}.safetensors"
    assert open_checkpoint(config.out).tensors.keys() == qwen(0).keys()


def test_small_files_are_the_base_models(prepare: Prepare, tmp_path: Path) -> None:
    config = prepare(qwen(0), qwen(1), base_model=str(tmp_path / "b"), out_dtype="float16")
    (tmp_path / "b" / "merges.txt").write_text("a b")
    (tmp_path / "b" / "trainer_state.json").write_text("{}")
    (tmp_path / "b" / "config.json").write_text(json.dumps(QWEN | {"torch_dtype": "bfloat16", "hidden_size": 8}))
    run(config)
    names = {path.name for path in Path(config.out).iterdir()}
    assert "merges.txt" in names
    assert "trainer_state.json" not in names
    found = json.loads((Path(config.out) / "config.json").read_text())
    assert found == QWEN | {"dtype": "float16", "hidden_size": 8}
    assert {info.dtype for info in open_checkpoint(config.out).tensors.values()} == {"F16"}


def refused(config: Config, kind: type[MotError]) -> str:
    with pytest.raises(kind) as caught:
        run(config)
    assert not Path(config.out).exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"merge_method": "ties"}, "merge_method is 'ties'"),
        ({"dtype": "bfloat16"}, "dtype is 'bfloat16', not float32"),
        ({"out_dtype": "float64"}, "out_dtype is 'float64'"),
        ({"slices": []}, "`slices` is not taken here"),
        ({"tokenizer_source": "union"}, "`tokenizer_source` is not taken here"),
        ({"out_dtpye": "bfloat16"}, "`out_dtpye` is unknown here"),
        ({"parameters": {"density": 0.5}}, "`density` is unknown here"),
        ({"parameters": {"normalize": "maybe"}}, "normalize is 'maybe'"),
        ({"parameters": {"lambda": 1}}, "`lambda` is unknown here"),
        ({"models": []}, "no list of `models`"),
        ({"models": [{"model": "a+b"}]}, "as an adapter or a revision"),
        ({"models": [{"model": "a"}], "base_model": "a"}, "a has no weight"),
        ({"models": [{"model": "a", "parameters": {"weight": [0, 1]}}], "base_model": "a"}, "not a plain number"),
        ({"models": [{"model": "a", "parameters": {"weight": True}}], "base_model": "a"}, "not a plain number"),
        ({"models": [{"model": "a"}] * 2, "base_model": "a", "parameters": {"weight": 1}}, "stands twice"),
        ({"base_model": "elsewhere"}, "elsewhere has no weight"),
        ({"merge_method": "task_arithmetic", "base_model": None}, "needs a base_model"),
        ({"models": [{"model": "a", "weight": 1}]}, "is not `model: <folder>`"),
    ],
)
def test_what_only_mergekit_merges(prepare: Prepare, keys: dict[str, Any], said: str) -> None:
    found = refused(prepare(qwen(0), qwen(1), **keys), FileError)
    assert said in found
    assert "mergekit does" in found


def test_weights_without_a_sum(prepare: Prepare) -> None:
    assert "add up to 0" in refused(prepare(qwen(0), qwen(1), weights=[1.0, -1.0]), FileError)


def test_other_architectures(prepare: Prepare) -> None:
    assert "mergekit takes more" in refused(prepare(qwen(0), config=QWEN | {"architectures": ["Mamba"]}), FileError)


def test_weights_that_round_need_the_processor(prepare: Prepare, tmp_path: Path) -> None:
    old = tmp_path / "cpuinfo"
    old.write_text("flags : fpu sse2 avx")
    with pytest.raises(FileError, match="AVX2"):
        run(prepare(qwen(0), qwen(1), weights=[0.3, 0.7]), processor=old)
    run(prepare(qwen(0), qwen(1), weights=[0.25, 2.0]), processor=old)


def test_everything_that_does_not_fit_is_said_at_once(prepare: Prepare) -> None:
    odd = qwen(1)
    odd["model.norm.weight"] = odd["model.norm.weight"][:4]
    odd["model.layers.7.mlp.up_proj.weight"] = odd.pop("model.layers.0.mlp.up_proj.weight")
    found = refused(prepare(qwen(0), odd), CheckFailed)
    assert "model.layers.0.mlp.up_proj.weight required but not present in" in found
    assert "model.layers.7.mlp.up_proj.weight in" in found
    assert "Tensor size mismatch for model.norm.weight: [4] in" in found


@pytest.mark.parametrize("bits", [0x7FC0, 0xFF80, 0x7FFF])
def test_nan_and_inf(prepare: Prepare, bits: int) -> None:
    broken = qwen(1)
    broken["model.norm.weight"][3] = bits
    assert "NaN or Inf in the merge of model.norm.weight" in refused(prepare(qwen(0), broken), CheckFailed)


def test_too_large_for_the_dtype(prepare: Prepare) -> None:
    models = [qwen(seed, "F32") for seed in range(2)]
    models[0]["model.norm.weight"][0] = 140_000
    assert "NaN or Inf" in refused(prepare(*models, out_dtype="float16"), CheckFailed)


def test_a_folder_that_exists_is_kept(prepare: Prepare) -> None:
    config = prepare(qwen(0))
    Path(config.out).mkdir()
    with pytest.raises(FileError, match="already there"):
        run(config)


def test_leftovers_of_an_earlier_attempt_do_no_harm(prepare: Prepare) -> None:
    config = prepare(qwen(0))
    part = Path(config.out + ".part")
    part.mkdir()
    (part / "model.safetensors").write_bytes(b"half")
    run(config)
    assert not part.exists()
    assert open_checkpoint(config.out).tensors


def test_a_base_without_a_tokenizer(prepare: Prepare, tmp_path: Path) -> None:
    config = prepare(qwen(0))
    (tmp_path / "a" / "tokenizer.json").unlink()
    assert "has no tokenizer_config.json with a tokenizer" in refused(config, FileError)


def test_input_in_files(prepare: Prepare, tmp_path: Path) -> None:
    config = prepare(qwen(0, layers=3), qwen(1, layers=3), config=QWEN | {"num_hidden_layers": 3})
    run(config)
    whole = (Path(config.out) / "model.safetensors").read_bytes()
    (tmp_path / "b" / "model.safetensors").unlink()
    tensors = list(qwen(1, layers=3).items())
    write_shards(tmp_path / "b", dict(tensors[::2]), dict(tensors[1::2]))
    again = config.model_copy(update={"out": str(tmp_path / "again")})
    run(again)
    assert (Path(again.out) / "model.safetensors").read_bytes() == whole


def test_no_file_stays_open(prepare: Prepare) -> None:
    config = prepare(qwen(0), qwen(1))
    before = len(list(Path("/proc/self/fd").iterdir()))
    run(config)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
