"""Reading checkpoints: every damage is named with its file, and the numbers are torch's."""

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import random_tensors, write_model, write_safetensors, write_shards

from mot_plugin.errors import CheckFailed
from mot_plugin.merging.weights import CHUNK, chunks, from_bfloat16, open_checkpoint, to_bfloat16


def test_single_file_and_shards_give_the_same(tmp_path: Path) -> None:
    tensors = random_tensors(3)
    write_model(tmp_path / "one", tensors)
    parts = [{name: array} for name, array in tensors.items()]
    write_shards(tmp_path / "many", *parts)
    one, many = open_checkpoint(tmp_path / "one"), open_checkpoint(tmp_path / "many")
    assert one.tensors.keys() == many.tensors.keys() == tensors.keys()
    assert (one.tied, many.tied) == (True, None)
    for name, array in tensors.items():
        assert one.tensors[name].shape == array.shape
        assert np.array_equal(one.float32(name), array.ravel())
        assert np.array_equal(many.float32(name, 2, 5), array.ravel()[2:5])


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_floats_of_any_width_come_as_float32(tmp_path: Path, dtype: str) -> None:
    values = np.array([0.5, -1.25, 3.0], dtype)
    write_model(tmp_path, {"odd": np.array([7], np.int64), "x": values, "scalar": np.array(2, dtype)})
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.float32("x").dtype == np.float32
    assert checkpoint.float32("x").tolist() == [0.5, -1.25, 3.0]
    assert checkpoint.float32("scalar").tolist() == [2.0]
    assert checkpoint.finite("odd")
    with pytest.raises(CheckFailed, match="odd is stored as I64"):
        checkpoint.float32("odd")


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_one_bad_value_is_found_in_any_chunk(tmp_path: Path, dtype: str) -> None:
    for place, bad in ((0, np.nan), (CHUNK, np.inf), (CHUNK + 4, -np.inf), (None, 0)):
        values = np.full(CHUNK + 5, -65504, np.float32)  # the largest float16
        if place is not None:
            values[place] = bad
        write_model(tmp_path, {"x": to_bfloat16(values) if dtype == "bfloat16" else values.astype(dtype)})
        assert open_checkpoint(tmp_path).finite("x") == (place is None)


def test_chunks_cover_everything_once() -> None:
    assert list(chunks(0)) == []
    size = 2 * CHUNK + 3
    assert list(chunks(size)) == [(0, CHUNK), (CHUNK, 2 * CHUNK), (2 * CHUNK, size)]


def test_rounding_to_bfloat16_is_torchs() -> None:
    torch = pytest.importorskip("torch")
    draw = np.random.default_rng(0)
    bits = draw.integers(0, 2**32, 400_000, dtype=np.uint32)  # every kind of float32, subnormals and NaN among them
    halves = (draw.integers(0, 2**16, 50_000, dtype=np.uint32) << 16) | np.uint32(0x8000)
    edges = np.array(
        [0, 0x80000000, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 1], np.uint32
    )
    values = np.concatenate([bits, halves, edges]).view(np.float32)
    ours = to_bfloat16(values)
    theirs = torch.from_numpy(values).bfloat16().view(torch.uint16).numpy()
    nan = np.isnan(values)
    assert np.array_equal(ours[~nan], theirs[~nan])
    assert np.isnan(from_bfloat16(ours[nan])).all()
    assert np.array_equal(to_bfloat16(from_bfloat16(ours)), ours)


def test_fused_experts_appear_one_by_one(tmp_path: Path) -> None:
    gate_up = np.arange(2 * 6 * 4, dtype=np.float32).reshape(2, 6, 4)  # 2 experts, 2 x 3 inner rows, 4 wide
    down = np.arange(2 * 4 * 3, dtype=np.float32).reshape(2, 4, 3)
    write_model(tmp_path, {"l.mlp.experts.gate_up_proj": gate_up, "l.mlp.experts.down_proj": down})
    checkpoint = open_checkpoint(tmp_path)
    kinds = ("gate_proj", "up_proj", "down_proj")
    assert set(checkpoint.tensors) == {f"l.mlp.experts.{e}.{kind}.weight" for e in (0, 1) for kind in kinds}
    up = checkpoint.tensors["l.mlp.experts.1.up_proj.weight"]
    assert up.shape == (3, 4)
    assert np.array_equal(checkpoint.float32("l.mlp.experts.1.up_proj.weight"), gate_up[1, 3:].ravel())
    assert np.array_equal(checkpoint.float32("l.mlp.experts.1.down_proj.weight"), down[1].ravel())


def cut(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (0, "0 bytes, no complete header"),
        (5, "no complete header"),
        (60, "no complete header"),
        (-1, "1 bytes are missing"),
    ],
)
def test_truncated_file(tmp_path: Path, keep: int, message: str) -> None:
    file = write_model(tmp_path, random_tensors(0)) / "model.safetensors"
    cut(file, keep)
    with pytest.raises(CheckFailed, match=message) as caught:
        open_checkpoint(tmp_path)
    assert str(file) in str(caught.value)


def test_bytes_after_the_end(tmp_path: Path) -> None:
    file = write_model(tmp_path, random_tensors(0)) / "model.safetensors"
    file.write_bytes(file.read_bytes() + b"xy")
    with pytest.raises(CheckFailed, match="2 bytes too many"):
        open_checkpoint(tmp_path)


def test_empty_tensor_is_what_a_partitioned_save_leaves(tmp_path: Path) -> None:
    write_model(tmp_path, {"a": np.ones(2, np.float32), "b": np.ones((0, 4), np.float32)})
    with pytest.raises(CheckFailed, match=r"b is empty, shape \[0, 4\]"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "header",
    [
        "[]",
        "{",
        '{"a": 1}',
        '{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}',
        '{"a": {"dtype": "F32", "shape": [1]}}',
        '{"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        '{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        '{"__metadata__": {}}',
    ],
)
def test_malformed_header_is_named_and_never_a_traceback(tmp_path: Path, header: str) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header.encode() + b"\0" * 4)
    with pytest.raises(CheckFailed, match=r"model\.safetensors"):
        open_checkpoint(tmp_path)


def test_index_and_shards_must_agree(tmp_path: Path) -> None:
    tensors = random_tensors(0)
    first, *rest = ({name: array} for name, array in tensors.items())
    write_shards(tmp_path, first, *rest)
    index = tmp_path / "model.safetensors.index.json"
    original = index.read_text()
    shard = tmp_path / "model-00002-of-00003.safetensors"

    cut(shard, -7)
    with pytest.raises(CheckFailed, match=r"model-00002-of-00003\.safetensors: cut short, 7 bytes are missing"):
        open_checkpoint(tmp_path)
    shard.unlink()
    with pytest.raises(CheckFailed, match=r"index\.json: names model-00002-of-00003\.safetensors, which is not there"):
        open_checkpoint(tmp_path)
    write_safetensors(shard, {**rest[0], "stray": np.ones(1, np.float32)})
    with pytest.raises(CheckFailed, match="does not say that stray is in model-00002"):
        open_checkpoint(tmp_path)
    write_safetensors(shard, rest[0])
    index.write_text(original.replace("model.norm.weight", "model.lost.weight"))
    with pytest.raises(CheckFailed, match=r"says that model\.lost\.weight is in"):
        open_checkpoint(tmp_path)
    index.write_text(json.dumps({"weight_map": {}}))
    with pytest.raises(CheckFailed, match="no weight_map"):
        open_checkpoint(tmp_path)
    index.write_text("{")
    with pytest.raises(CheckFailed, match="not readable as JSON"):
        open_checkpoint(tmp_path)


def test_which_weights_there_are(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="no such folder"):
        open_checkpoint(tmp_path / "nowhere")
    (tmp_path / "training_args.bin").touch()
    with pytest.raises(CheckFailed, match=r"index\.json$"):
        open_checkpoint(tmp_path)
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(CheckFailed, match=r"only pytorch_model\.bin: save the model as safetensors"):
        open_checkpoint(tmp_path)
    write_shards(tmp_path, random_tensors(0))
    write_safetensors(tmp_path / "model.safetensors", random_tensors(0))
    with pytest.raises(CheckFailed, match=r"has both model\.safetensors and"):
        open_checkpoint(tmp_path)
