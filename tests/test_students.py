"""Step `student`: from a folder or the hub's cache, complete or refused."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.students import Config, run


def weights(numbers: int = 4) -> bytes:
    """A safetensors file of one float32 tensor."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [numbers], "data_offsets": [0, 4 * numbers]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4 * numbers)


def fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(weights())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        (folder / name).write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    return folder


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return fill(tmp_path / "local")


def test_weights_are_linked_and_small_files_copied(tmp_path: Path, local: Path) -> None:
    (local / "merges.txt").write_text("a b")
    (local / "tokenizer.model").write_bytes(b"\0")
    for name in ("README.md", "training_args.bin", "pytorch_model.bin", "optimizer.pt"):
        (local / name).touch()
    (local / "checkpoint-50").mkdir()
    run(Config(model=str(local), out=str(tmp_path / "out")))
    made = tmp_path / "out" / "model"
    assert sorted(path.name for path in made.iterdir()) == sorted(
        "chat_template.jinja config.json generation_config.json merges.txt model.safetensors "
        "tokenizer.json tokenizer.model tokenizer_config.json".split()
    )
    assert (made / "model.safetensors").samefile(local / "model.safetensors")
    assert not (made / "config.json").samefile(local / "config.json")


def test_copy_across_file_systems(tmp_path: Path, local: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev or not os.access(other, os.W_OK):
        pytest.skip("no second file system here")
    out = other / f"mot-plugin-test-{os.getpid()}"
    try:
        run(Config(model=str(local), out=str(out)))
        made = out / "model" / "model.safetensors"
        assert made.read_bytes() == weights()
        assert made.stat().st_nlink == 1
    finally:
        for path in (out / "model").glob("*"):
            path.unlink()
        (out / "model").rmdir()
        out.rmdir()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors"])
def test_an_incomplete_student_is_refused(tmp_path: Path, local: Path, name: str) -> None:
    (local / name).unlink()
    with pytest.raises(MissingInput, match="weights as safetensors" if name == "model.safetensors" else name):
        run(Config(model=str(local), out=str(tmp_path / "out")))
    assert not (tmp_path / "out").exists()


def test_pickled_weights_are_named(tmp_path: Path, local: Path) -> None:
    (local / "model.safetensors").rename(local / "pytorch_model.bin")
    with pytest.raises(MissingInput, match="only pickled ones: convert it first"):
        run(Config(model=str(local), out=str(tmp_path / "out")))


def test_template_inside_tokenizer_config_counts(tmp_path: Path, local: Path) -> None:
    (local / "chat_template.jinja").unlink()
    (local / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    run(Config(model=str(local), out=str(tmp_path / "out")))


def test_damaged_weights(tmp_path: Path, local: Path) -> None:
    (local / "model.safetensors").write_bytes(weights()[:-1])
    with pytest.raises(CheckFailed, match=r"is damaged; download or copy it again\n.*cut short, 1 bytes"):
        run(Config(model=str(local), out=str(tmp_path / "out")))


def test_nothing_is_overwritten(tmp_path: Path, local: Path) -> None:
    run(Config(model=str(local), out=str(tmp_path / "out")))
    with pytest.raises(FileError, match="is already there"):
        run(Config(model=str(local), out=str(tmp_path / "out")))
    with pytest.raises(FileError, match="has no revision 'main'"):
        run(Config(model=str(local), revision="main", out=str(tmp_path / "other")))


def step(folder: Path, model: str, revision: str | None = None) -> subprocess.CompletedProcess[str]:
    """The step as a process of its own, without a network, with `folder/hub` as the hub's cache."""
    code = (
        "import sys; from mot_plugin.students import Config, run\n"
        "from mot_plugin.errors import MotError\n"
        "try: run(Config.model_validate_json(sys.argv[1]))\n"
        "except MotError as error: sys.exit(f'{type(error).__name__}: {error}')"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder / "hub")}
    config = Config(model=model, revision=revision, out=str(folder / "out")).model_dump_json()
    return subprocess.run(
        [sys.executable, "-c", code, config], env=environment, capture_output=True, text=True, check=False
    )


def test_a_student_that_cannot_be_had_offline(tmp_path: Path) -> None:
    found = step(tmp_path, "Qwen/Qwen3-8B", "main")
    assert found.returncode == 1
    assert found.stderr.startswith("MissingInput: the model 'Qwen/Qwen3-8B' is neither a folder here nor to be had")
    assert "name a local folder" in found.stderr
    assert "hf download Qwen/Qwen3-8B --revision main" in found.stderr
    assert "Traceback" not in found.stderr
    assert step(tmp_path, "/no/such/folder").stderr.startswith("MissingInput: ")


def test_a_student_in_the_hubs_cache(tmp_path: Path) -> None:
    """The cache holds symbolic links to its files; what we link are the files."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    room = tmp_path / "hub" / "models--some--student"
    blobs = fill(room / "blobs")
    snapshot = room / "snapshots" / commit
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(path)
    (room / "refs").mkdir()
    (room / "refs" / "main").write_text(commit)
    found = step(tmp_path, "some/student")
    assert (found.returncode, found.stderr) == (0, "")
    made = tmp_path / "out" / "model" / "model.safetensors"
    assert not made.is_symlink()
    assert made.samefile(blobs / "model.safetensors")
