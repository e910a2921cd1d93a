"""ablate: real recipes beside the one they vary, through the real command."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mot_plugin import recipe

pytestmark = pytest.mark.process

BOBA = Path(__file__).parents[1] / "recipes" / "boba200.yaml"


def ablate(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "boba200.yaml").write_text(BOBA.read_text(encoding="utf-8"), encoding="utf-8")
    command = [sys.executable, "-m", "mot_plugin", "ablate", "boba200.yaml", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_a_recipe_per_merge_method(tmp_path: Path) -> None:
    ended = ablate(tmp_path, "--merge", "ties,dare_ties")
    assert ended.returncode == 0, ended.stderr
    made = {file.stem: recipe.load(file) for file in tmp_path.glob("boba200-*.yaml")}
    assert {name: one.methods.mot.merge for name, one in made.items() if one.methods.mot} == {
        "boba200-ties": "ties",
        "boba200-dare-ties": "dare_ties",
    }
    before, after = (yaml.safe_load((tmp_path / f"{name}.yaml").read_text()) for name in ("boba200", "boba200-ties"))
    assert {key for key in before if before[key] != after[key]} == {"name", "methods"}


def test_what_is_shared_is_counted(tmp_path: Path) -> None:
    said = ablate(tmp_path, "--merge", "ties").stdout
    # All but five rounds' merges, evaluations and selections, the branches of rounds 2 to 5, the report, and the shipped student.
    assert said == f"boba200-ties.yaml  84 steps, {84 - 15 - 16 - 2} shared with boba200\n"


def test_each_teacher_left_out_and_other_rounds(tmp_path: Path) -> None:
    ended = ablate(tmp_path, "--drop-teacher", "all", "--rounds", "3")
    assert ended.returncode == 0, ended.stderr
    names = ("qwq", "qwen3-32b", "qwen3-235b", "deepseek-r1")
    for name in names:
        assert set(recipe.load(tmp_path / f"boba200-no-{name}.yaml").teachers) == set(names) - {name}
    fewer = recipe.load(tmp_path / "boba200-3-rounds.yaml").methods.mot
    assert fewer is not None
    assert fewer.rounds == 3


def test_every_other_kind_of_variant(tmp_path: Path) -> None:
    """Each is the recipe's own text, its comments too, with that one line changed."""
    options = ("--one-shot", "--matched", "--keep-teachers", "qwq,qwen3-32b", "--steps", "25", "--seeds", "0,1")
    ended = ablate(tmp_path, *options, "--until", "no_gain")
    assert ended.returncode == 0, ended.stderr
    text = BOBA.read_text(encoding="utf-8").split("\n")[1:]
    changes = {}
    for file in tmp_path.glob("boba200-*.yaml"):
        now = file.read_text(encoding="utf-8").split("\n")[1:]
        assert now.count(f"name: {file.stem}") == 1
        gone = [line for line in text if line not in now and line != "name: boba200"]
        changes[file.stem] = gone, [line for line in now if line not in text and not line.startswith("name: ")]
    mot = "  mot: {rounds: 5, steps: 50, merge: linear}"
    others = [line for line in text if line.startswith(("  qwen3-235b: ", "  deepseek-r1: "))]
    assert changes == {
        "boba200-one-shot": ([], ["  one_shot: {merge: linear}"]),
        "boba200-matched": ([], ["  matched: {of: [mtd], save_steps: 50}"]),
        "boba200-only-qwq-qwen3-32b": (others, []),
        "boba200-25-steps": ([mot], [mot.replace("50", "25")]),
        "boba200-until-no-gain": ([mot], [mot.replace("linear", "linear, until: no_gain")]),
        "boba200-seed-1": (["seed: 0"], ["seed: 1"]),
    }


def test_what_a_variant_need_not_repeat_is_left_out(tmp_path: Path) -> None:
    assert ablate(tmp_path, "--drop-teacher", "deepseek-r1", "--methods", "base,mot").returncode == 0
    made = recipe.load(tmp_path / "boba200-no-deepseek-r1.yaml").methods
    assert made.model_fields_set == {"base", "mot"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--merge", "tise"), "no mergekit file 'tise'"),
        (("--drop-teacher", "qwk"), "has no teacher 'qwk', did you mean 'qwq'?"),
        (("--rounds", "few"), "--rounds takes whole numbers, got 'few'"),
        (("--rounds", "0"), "methods.mot.rounds: must be at least 1, got 0"),
        (("--seeds", "1,two"), "--seeds takes whole numbers, got '1,two'"),
        (("--keep-teachers", "qwq,r1"), "has no teacher 'r1'"),
        (("--methods", "mott", "--rounds", "3"), "has no method 'mott', did you mean 'mot'?"),
        (("--until", "gain"), "methods.mot.until"),
    ],
)
def test_mistakes(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    ended = ablate(tmp_path, *options)
    assert ended.returncode == 2
    assert message in ended.stderr
    assert list(tmp_path.glob("boba200-*")) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "boba200-ties.yaml").write_text("mine", encoding="utf-8")
    ended = ablate(tmp_path, "--merge", "ties,sce")
    assert ended.returncode == 2
    assert "already there" in ended.stderr
    assert (tmp_path / "boba200-ties.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "boba200-sce.yaml").exists()
