"""The mirror: what a run is for, copied with fsspec; a failure of it harms nothing and is mended by the same command."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fake_world import World

pytestmark = pytest.mark.process


def mirrored(world: World, url: str) -> None:
    def change(data: dict[str, Any]) -> None:
        data["storage"]["mirror"] = url

    world.edit(change, "machine.yaml")


def names(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def test_a_finished_run_is_copied_once(finished: World) -> None:
    bucket = finished.root / "bucket"
    mirrored(finished, f"file://{bucket}")
    said = finished.run()
    assert said.returncode == 0, said.stderr
    copy = bucket / "tiny"
    there = names(copy)
    assert {"student/model.safetensors", "student/README.md", "report/index.html", "report/scores.csv"} <= there
    assert {"recipe.yaml", "plan.json", "mirror.json", "records/ship.json"} <= there
    assert "machine.json" not in there, "its env may hold keys"
    weights = (finished.run_folder / "student" / "model.safetensors").read_bytes()
    assert (copy / "student/model.safetensors").read_bytes() == weights
    assert f"files sent to file://{bucket}/tiny" in said.stdout
    before = {name: (copy / name).stat().st_mtime_ns for name in there}
    again = finished.run()
    assert again.returncode == 0
    assert "mirror" not in again.stdout, "nothing new, so it is not even looked at"
    # By hand it is looked at; only what is missing or differs is sent.
    (copy / "mirror.json").write_text(
        json.dumps(json.loads((copy / "mirror.json").read_text()) | {"student/config.json": "another", "old.txt": "?"})
    )
    (copy / "old.txt").touch()
    said = finished.mot("mirror", "runs/tiny")
    assert "mirror: 1 of " in said.stdout
    assert names(copy) == there
    changed = {name for name in there if (copy / name).stat().st_mtime_ns != before[name]}
    assert changed == {"student/config.json", "mirror.json"}


def test_a_failed_copy_says_so_and_the_run_is_whole(finished: World) -> None:
    (finished.root / "bucket").write_text("a file where the folder should be")
    mirrored(finished, f"file://{finished.root}/bucket")
    said = finished.run()
    assert said.returncode == 8
    assert "The run itself is whole. Try again with `mot-plugin mirror" in said.stderr
    assert finished.todo() == []
    (finished.root / "bucket").unlink()
    assert finished.run().returncode == 0
    assert (finished.root / "bucket/tiny/student/model.safetensors").is_file()


@pytest.mark.parametrize(
    ("url", "code", "words"),
    [("s3://bucket/runs", 5, "Install s3fs to access S3"), ("bukkit://a", 8, "Protocol not known: bukkit")],
)
def test_an_address_that_cannot_work_is_told_before_anything_starts(
    world: World, url: str, code: int, words: str
) -> None:
    mirrored(world, url)
    said = world.run()
    assert said.returncode == code
    assert words in said.stderr
    assert world.starts() == 0


def test_a_store_on_another_disk(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Steps write where their artifacts will lie, so selections are hard links there, and nothing is copied over."""
    other = Path("/dev/shm") / f"mot-plugin-test-{tmp_path_factory.getbasetemp().name}-{world.root.parent.name}"
    if other.parent.stat().st_dev == world.root.stat().st_dev:
        pytest.skip("this computer has one disk only")
    try:
        world.edit(lambda data: data["storage"].update(store=str(other)), "machine.yaml")
        said = world.run()
        assert said.returncode == 0, said.stderr
        student = (world.run_folder / "student" / "model.safetensors").resolve()
        assert student.is_relative_to(other)
        assert student.stat().st_nlink > 1, "a hard link of the merge that was chosen"
        assert not list((world.run_folder).rglob("*.safetensors"))
    finally:
        world.end_all()
        shutil.rmtree(other, ignore_errors=True)
