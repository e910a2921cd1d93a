"""Every file that ships works: recipes on machines, mergekit files, links; and none knows the machine it was written on."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from mot_plugin import machine as machines
from mot_plugin import materials, recipe
from mot_plugin.plan import plan
from mot_plugin.tools import lm_eval, mergekit

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
MACHINES = sorted((ROOT / "recipes" / "machines").glob("*.yaml"))
MERGES = sorted((ROOT / "mergekit_configs").glob("*.yaml"))


def tracked() -> list[Path]:
    """Files of the repository: in git, or new and not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_there_is_something_to_test() -> None:
    assert {file.stem for file in RECIPES} >= {"boba200", "s1k200"}
    assert len(MACHINES) >= 2
    assert "linear" in {file.stem for file in MERGES}
    assert len(tracked()) > 100


@pytest.mark.parametrize("place", [*MACHINES, 1, 8, 0], ids=lambda place: getattr(place, "stem", f"{place} GPUs"))
@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_every_recipe_plans_on_every_machine(file: Path, place: Path | int) -> None:
    made = recipe.load(file)
    machine = machines.load(place) if isinstance(place, Path) else machines.default(place)
    steps = plan(made, machine, materials.gather(made, file, machine)).steps
    assert {step.kind for step in steps} >= {"student", "corpus", "report"}
    assert made.name == file.stem


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_what_a_recipe_ships_with_is_there(file: Path) -> None:
    """Data of the paper's runs is the user's to get; what lies in a recipe's own folder is ours to ship."""
    made = recipe.load(file)
    recorded = [teacher.traces for teacher in made.teachers.values() if teacher.traces]
    own = [path for path in recorded if path.startswith(f"{file.stem}/")]
    own += [made.student] if made.student.startswith(f"./{file.stem}/") else []
    assert not [path for path in own if not (file.parent / path).exists()]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("file", MERGES, ids=lambda file: file.stem)
def test_every_merge_file_is_fillable(file: Path, count: int) -> None:
    text = file.read_text(encoding="utf-8")
    named = [entry["model"].removeprefix("branches/") for entry in yaml.safe_load(text)["models"]]
    branches = {
        name: f"artifacts/{name}/model" for name in dict.fromkeys([*named, "x", "y", "z"]) if name in named[:count]
    }
    branches |= {
        name: f"artifacts/{name}/model" for name in ("x", "y", "z")[: count - len(branches)] if not weighted(text)
    }
    if yaml.safe_load(text)["merge_method"] in mergekit.TWO and count != 2:
        with pytest.raises(ValueError, match="merges exactly two branches"):
            mergekit.fill(text, file.name, branches, "artifacts/start/model")
        return
    if yaml.safe_load(text)["merge_method"] in mergekit.SEVERAL and count < 2:
        with pytest.raises(ValueError, match="needs two branches or more"):
            mergekit.fill(text, file.name, branches, "artifacts/start/model")
        return
    if "student" in named:  # a file for use by hand: a plan merges branches only, and says so
        with pytest.raises(ValueError, match="each of `models` must be `model: branches/<name>`"):
            mergekit.fill(text, file.name, branches, "artifacts/start/model")
        return
    filled = yaml.safe_load(mergekit.fill(text, file.name, branches, "artifacts/start/model"))
    assert [entry["model"] for entry in filled["models"]] == list(branches.values())
    assert filled.get("base_model") in (None, "artifacts/start/model", *branches.values())
    assert "branches/" not in str(filled)


def weighted(text: str) -> bool:
    """Whether the file gives each teacher parameters of its own."""
    return len({str(entry.get("parameters")) for entry in yaml.safe_load(text)["models"]}) > 1


def test_every_task_names_itself_after_its_file() -> None:
    for file in sorted((ROOT / "eval").rglob("*.yaml")):
        read = yaml.load(file.read_text(encoding="utf-8"), lm_eval.Loader)
        assert read.get("group", read["task"]) == file.stem


def prose(file: Path) -> str:
    """Markdown without its code."""
    text = re.sub(r"^( *)(```|~~~).*?^\1\2", "", file.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def links(text: str) -> list[str]:
    """Targets of a Markdown text's links and pictures that are files."""
    found = re.findall(r"\]\(\s*<?([^)\s>]+)", text) + re.findall(r"^\s*\[[^\]]+\]:\s*(\S+)", text, re.MULTILINE)
    found += re.findall(r"<(?:img|a)\b[^>]*?(?:src|href)=\"([^\"]+)\"", text)
    return [link for link in found if not re.match(r"[a-z][a-z0-9+.-]*:|#", link)]


def test_links_are_seen() -> None:
    text = '[a](b.md) ![c](d/e.png "title") [f](https://g.h) [i](#j) [k](l.md#m) <img src="n.svg">\n[o]: p.md\n'
    assert links(text) == ["b.md", "d/e.png", "l.md#m", "p.md", "n.svg"]


def test_every_link_in_every_markdown_file_exists() -> None:
    files = [file for file in tracked() if file.suffix == ".md" and "golden" not in file.parts]
    assert len(files) > 2
    broken = []
    for file in files:
        for link in links(prose(file)):
            target = (file.parent / link.partition("#")[0]).resolve()
            if not target.exists() or not target.is_relative_to(ROOT):
                broken.append(f"{file.relative_to(ROOT)}: {link}")
    assert not broken


# Written in pieces, so that this file is not one of those it finds.
HERE = [*{str(ROOT), str(Path.home())}, "/" + "work", "/" + "root"]
ABSOLUTE = re.compile("|".join(rf"(?<![\w.}})>*$-]){re.escape(path)}(?![\w-])" for path in HERE if path != "/"))
REGISTRY = re.compile(
    r"(?:--index-url|--extra-index-url|PIP_INDEX" + r"_URL|--find-links|--trusted" + r"-host)\b"
    r"|file:///"
    + r"\w|https?://(?:localhost|[\w.-]*(?:artifactory|nexus|devpi|mirror)[\w.-]*|(?!127\.)\d+\.\d+\.\d+\.\d+)[:/]"
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f'open("/{"work"}/main/x")', True),
        (f"cd /{'root'}", True),
        (f"runs/x/{'work'}/step", False),
        (f"/{'root'}s", False),
    ],
)
def test_paths_of_this_machine_are_seen(text: str, found: bool) -> None:  # noqa: FBT001
    assert bool(ABSOLUTE.search(text)) == found


def test_no_file_knows_this_machine_or_its_registry() -> None:
    told = []
    for file in tracked():
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
        except UnicodeDecodeError:
            continue  # weights of the quickstart's student
        for number, line in enumerate(lines, 1):
            if ABSOLUTE.search(line) or (REGISTRY.search(line) and file != Path(__file__)):
                told.append(f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not told, "\n".join(told)


def test_no_big_or_made_files_are_in_the_repository() -> None:
    for file in tracked():
        assert file.stat().st_size < 5_000_000, file
        assert not {"__pycache__", "runs", ".store", "dist", "build"} & set(file.relative_to(ROOT).parts[:-1]), file
