"""A data set's file from the hub's cache: no network is asked, and none is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from mot_plugin.errors import MissingInput
from mot_plugin.sources.hub import fetch

COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB, FILE = "made-up/toy-problems", "data/toy.jsonl"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A hub cache with one file of one data set, as huggingface_hub lays it out."""
    folder = tmp_path / "hub" / "datasets--made-up--toy-problems"
    blob = folder / "blobs" / "b10b"
    link = folder / "snapshots" / COMMIT / FILE
    for made in (blob.parent, link.parent, folder / "refs"):
        made.mkdir(parents=True)
    blob.write_text('{"problem": "One?"}\n')
    link.symlink_to(blob)
    (folder / "refs" / "main").write_text(COMMIT)
    return tmp_path / "hub"


def offline(cache: Path, hub: str, file: str) -> str:
    """What `fetch` gives or says in a process that may not use the network."""
    code = (
        "import sys; from pathlib import Path; from mot_plugin.errors import MotError; from mot_plugin.sources.hub import fetch\n"
        "try: print(*fetch(sys.argv[2], sys.argv[3], Path(sys.argv[1])))\n"
        "except MotError as error: print(type(error).__name__, error)"
    )
    command = [sys.executable, "-c", code, str(cache), hub, file]
    env = {"HF_HUB_OFFLINE": "1", "HOME": str(cache), "PATH": ""}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_a_file_of_a_commit_comes_from_the_cache(cache: Path) -> None:
    path, commit = fetch(f"{HUB}@{COMMIT}", FILE, cache)
    assert (path.read_text(), commit) == ('{"problem": "One?"}\n', COMMIT)
    assert path.name == "toy.jsonl"


def test_a_name_alone_is_its_newest_known_commit(cache: Path) -> None:
    assert offline(cache, HUB, FILE).split() == [
        str(cache / "datasets--made-up--toy-problems" / "snapshots" / COMMIT / FILE),
        COMMIT,
    ]


@pytest.mark.parametrize(
    ("hub", "file"), [(HUB, "other.jsonl"), (f"{HUB}@{COMMIT[::-1]}", FILE), ("made-up/none", FILE)]
)
def test_what_cannot_be_had_says_what_to_do(cache: Path, hub: str, file: str) -> None:
    said = offline(cache, hub, file)
    assert said.startswith(f"MissingInput {file} of the data set {hub} is not to be had")
    name, _, revision = hub.partition("@")
    at = f" --revision {revision}" if revision else ""
    assert f"hf download --repo-type dataset {name} {file}{at}\n" in said
    assert "name a local file" in said
    assert "HF_ENDPOINT" in said


def test_a_name_that_cannot_be_one_is_told_too(cache: Path) -> None:
    with pytest.raises(MissingInput, match="HFValidationError"):
        fetch("no//name", FILE, cache)
