"""Step `student`: the model that training starts from, as a folder of the run; from the hub or a local folder."""

import json
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mot_plugin.errors import CheckFailed, FileError, MissingInput
from mot_plugin.merging.folder import PATTERNS, TEMPLATE, link_model, missing_files
from mot_plugin.merging.weights import open_checkpoint

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Config(BaseModel):
    """`model` is a folder, or a hub id with an optional `revision` (branch, tag or commit)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    revision: str | None = None
    out: str
    format: int = 1


def run(config: Config) -> None:
    """Fill `out/model` with the student's files; weights are hard links where the file system allows it.

    Raises MissingInput where there is no such student or it lacks a file, CheckFailed where its weights are damaged.
    """
    source = Path(config.model).expanduser()
    if not source.is_dir():
        source = download(config.model, config.revision)
    elif config.revision is not None:
        raise FileError(
            f"{config.model} is a folder, so it has no revision {config.revision!r}: leave the revision out"
        )
    absent = missing_files(source, ("config.json", "tokenizer.json", TEMPLATE))
    if not any(source.glob("*.safetensors")):
        pickled = any(source.glob("*.bin")) or any(source.glob("*.pth"))
        absent.append("weights as safetensors" + (" (it has only pickled ones: convert it first)" if pickled else ""))
    if absent:
        hint = " A base model often has no chat template: put a chat_template.jinja in." if TEMPLATE in absent else ""
        raise MissingInput(f"the student {config.model} ({source}) lacks {', '.join(absent)}.{hint}")
    try:
        open_checkpoint(source)
    except CheckFailed as error:
        raise CheckFailed(f"the student {config.model} is damaged; download or copy it again\n{error}") from None
    link_model(source, Path(config.out) / "model")
    if _COMMIT.fullmatch(source.name):  # the hub's cache calls a snapshot after its commit
        origin = {"model": config.model, "revision": config.revision, "commit": source.name}
        (Path(config.out) / "origin.json").write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")


def of_run(run: Path, which: str) -> Path:
    """The model folder of a run's student: base, the best STD, MTD or MoT. Nothing need be there (yet)."""
    artifacts = run / "artifacts"
    if which == "base":
        return artifacts / "base" / "student" / "model"
    if which == "MoT":
        return _chosen(run) or run / "student"
    if which == "MTD":
        return artifacts / "mtd" / "select" / "model"
    chosen = {
        file: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(artifacts.glob("std/*/select/choice.json"))
    }
    nowhere = artifacts / "std" / "*" / "select" / "choice.json"
    best = max(chosen, key=lambda file: float(chosen[file]["average"]), default=nowhere)
    return best.parent / "model"


def _chosen(run: Path) -> Path | None:
    """The chosen MoT student as it was chosen: `student` has a card beside it, and cards change without the model."""
    try:
        steps = json.loads((run / "plan.json").read_text(encoding="utf-8"))["steps"]
    except (FileNotFoundError, ValueError, KeyError):
        return None
    final = [s for s in steps if (s["kind"], s["method"], s["weights"]) == ("select", "MoT", "result")]
    return run / "artifacts" / final[-1]["name"] / "model" if final else None


def download(model: str, revision: str | None) -> Path:
    """The folder of a hub model, in the hub's cache; what is there is not fetched again. Raises MissingInput without it."""
    import httpx
    import huggingface_hub

    try:
        return Path(
            huggingface_hub.snapshot_download(
                model,
                revision=revision,
                allow_patterns=list(PATTERNS),
                ignore_patterns=["*/*"],  # other formats of the same model, in folders of their own
            )
        )
    except (OSError, ValueError, httpx.HTTPError) as error:
        at = f" --revision {revision}" if revision else ""
        cause = str(error).strip().partition("\n")[0]
        raise MissingInput(
            f"the model {model!r} is neither a folder here nor to be had from the hub\n"
            f"  {type(error).__name__}: {cause}\n"
            "  either name a local folder: the path of the model, absolute or relative to the run's folder\n"
            f"  or fetch it where there is a network: hf download {model}{at}"
        ) from None
