"""The store of finished parts: whole or not there, the same for whoever asks the same."""

import json
import multiprocessing
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from mot_plugin.evals import kept
from mot_plugin.evals.kept import Kept

SETTINGS = {"model": "m", "task": "a", "seed": 1, "limit": None, "model_args": {"dtype": "float32"}}


def rows(text: str = "x") -> list[dict[str, Any]]:
    return [{"doc_id": number, "resps": [[f"{text}{number}\u2028", "ü"]]} for number in range(3)]


def test_what_was_kept_is_found(tmp_path: Path) -> None:
    store = Kept(tmp_path / "not there yet")
    assert store.find(SETTINGS) is None
    entry = store.publish(SETTINGS, rows(), {"version": 1.0})
    assert entry.answers == 6
    again = Kept(store.root).find(SETTINGS)
    assert again == entry
    assert again is not None
    assert list(again.rows()) == rows()
    assert again.about["version"] == 1.0
    assert again.about["settings"] == SETTINGS


@pytest.mark.parametrize("change", [{"seed": 2}, {"limit": 4}, {"model": "n"}, {"model_args": {}}])
def test_other_settings_are_another_entry(tmp_path: Path, change: dict[str, Any]) -> None:
    store = Kept(tmp_path)
    store.publish(SETTINGS, rows(), {})
    assert store.find({**SETTINGS, **change}) is None
    assert store.publish({**SETTINGS, **change}, rows("y"), {}).answers == 6
    assert len([folder for folder in tmp_path.iterdir() if not folder.name.startswith(".")]) == 2


def shorten(folder: Path) -> None:
    file = folder / kept.SAMPLES
    file.write_bytes(file.read_bytes()[:-9])


def change_a_letter(folder: Path) -> None:
    file = folder / kept.SAMPLES
    file.write_text(file.read_text(encoding="utf-8").replace("x1", "x7"), encoding="utf-8")


def lose_samples(folder: Path) -> None:
    (folder / kept.SAMPLES).unlink()


def lose_about(folder: Path) -> None:
    (folder / kept.ABOUT).unlink()


def half_about(folder: Path) -> None:
    (folder / kept.ABOUT).write_text('{"settings": {', encoding="utf-8")


def of_other_settings(folder: Path) -> None:
    other = Kept(folder.parent).publish({**SETTINGS, "seed": 9}, rows("z"), {})
    shutil.rmtree(folder)
    other.folder.rename(folder)


SPOIL = [shorten, change_a_letter, lose_samples, lose_about, half_about, of_other_settings]


@pytest.mark.parametrize("spoil", SPOIL)
def test_what_is_not_what_it_says_is_set_aside(tmp_path: Path, spoil: Any) -> None:
    store = Kept(tmp_path)
    folder = store.publish(SETTINGS, rows(), {}).folder
    spoil(folder)
    assert store.find(SETTINGS) is None
    assert [aside.name for aside in store.broken] == [f"{folder.name}.broken"]
    assert store.broken[0].is_dir()
    assert not folder.exists()
    assert list(store.publish(SETTINGS, rows("again"), {}).rows()) == rows("again")
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    assert store.find(SETTINGS) is None, "and once more, over what was set aside before"


def test_who_comes_second_takes_what_is_there(tmp_path: Path) -> None:
    first = Kept(tmp_path).publish(SETTINGS, rows("first"), {})
    second = Kept(tmp_path).publish(SETTINGS, rows("second"), {})
    assert second == first
    assert list(second.rows()) == rows("first")


def test_half_of_one_is_none(tmp_path: Path) -> None:
    """As a process leaves it that is killed while it writes."""
    store = Kept(tmp_path)
    folder = store.publish(SETTINGS, rows(), {}).folder
    folder.rename(tmp_path / f".{folder.name}")
    shorten(tmp_path / f".{folder.name}")
    assert store.find(SETTINGS) is None
    assert list(store.publish(SETTINGS, rows("whole"), {}).rows()) == rows("whole")
    assert not (tmp_path / f".{folder.name}").exists()


def _publish(root: Path, text: str) -> str:
    return json.dumps(list(Kept(root).publish(SETTINGS, rows(text) * 200, {}).rows()))


def test_many_at_once_agree(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        said = pool.starmap(_publish, [(tmp_path, str(number)) for number in range(8)])
    assert len(set(said)) == 1


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json"]
)
def test_weights_tokenizer_and_template_make_the_model(tmp_path: Path, model: Path, name: str) -> None:
    store = Kept(tmp_path / "kept")
    before = store.content(model)
    (model / name).write_bytes(b"changed")
    assert store.content(model) != before


def test_what_a_training_leaves_beside_a_model_does_not(tmp_path: Path, model: Path) -> None:
    store = Kept(tmp_path / "kept")
    before = store.content(model)
    for name in ("training_args.bin", "trainer_state.json", "rng_state_0.pth", "README.md", ".hidden"):
        (model / name).write_text("x", encoding="utf-8")
    (model / "checkpoint-15").mkdir()
    (model / "checkpoint-15" / "model.safetensors").write_bytes(b"another model")
    assert store.content(model) == before
    shutil.copytree(model, tmp_path / "copy")
    assert store.content(tmp_path / "copy") == before
    (model / "model-00002.safetensors").write_bytes(b"more")
    assert store.content(model) != before


def test_a_file_is_read_once(tmp_path: Path, model: Path) -> None:
    before = Kept(tmp_path / "kept").content(model)
    file = model / "model.safetensors"
    status = file.stat()
    file.write_bytes(b"weighty")  # as long as before, and the clock set back
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Kept(tmp_path / "kept").content(model) == before, "then nobody can see it without reading"
    file.unlink()
    file.write_bytes(b"weighty")
    assert Kept(tmp_path / "kept").content(model) != before


def test_a_broken_memory_is_none(tmp_path: Path, model: Path) -> None:
    store = Kept(tmp_path / "kept")
    before = store.content(model)
    (store.root / "digests.json").write_text("{", encoding="utf-8")
    assert store.content(model) == before
