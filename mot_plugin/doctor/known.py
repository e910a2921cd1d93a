"""Versions that were tried together, and those that are known not to work, each with its reason. A new one is one more entry."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

TRIED = {"llamafactory": "==0.9.5", "mergekit": "==0.1.5", "lm-eval": "==0.4.13", "vllm": ">=0.28,<0.34"}
"""What our knowledge of keys, flags and files is of."""
RAY = ">=2.60"
"""Before, its ports were open to the network without a password."""


@dataclass(frozen=True)
class Bad:
    """`package` in these versions does not work: `why`. `beside`: only together with these."""

    package: str
    versions: str
    why: str
    take: str
    """What to install instead, as pip writes it; empty where another environment is the way."""
    beside: Mapping[str, str] | None = None
    level: Literal["error", "warning"] = "error"


_LF = {"llamafactory": "<0.10"}
_APART = "an environment of its own for vLLM, named under `tools:` in the machine file"

BAD = (
    *(Bad("python", "<3.11", f"{name} needs Python 3.11", "", {name: ">=0"}) for name in ("llamafactory", "vllm")),
    Bad("transformers", ">5.6.0", "LLaMA-Factory 0.9.5 ends at its start with it", "transformers==5.5.4", _LF),
    Bad("transformers", "<4.55", "LLaMA-Factory 0.9.5 ends at its start with it", "transformers==5.5.4", _LF),
    Bad("transformers", "==4.57.0", "LLaMA-Factory's requirements exclude it", "transformers==5.5.4", _LF, "warning"),
    Bad(
        "transformers",
        "==5.6.0",
        "together with FlashAttention LLaMA-Factory 0.9.5 fails on it (its issues 10610 and 10634)",
        "transformers==5.5.4",
        {**_LF, "flash-attn": ">=2"},
    ),
    Bad(
        "transformers",
        "<5.0",
        "mergekit 0.1.5 is made for transformers 5",
        "transformers==5.5.4",
        {"mergekit": ">=0.1.5"},
    ),
    Bad(
        "transformers", "<5.16.1", "vLLM 0.32 and later need a newer one", "'transformers>=5.16.1'", {"vllm": ">=0.32"}
    ),
    Bad(
        "transformers",
        "<5.10.4",
        "vLLM 0.29 to 0.31 need a newer one",
        "'transformers>=5.10.4'",
        {"vllm": ">=0.29,<0.32"},
    ),
    Bad("transformers", "<5.5.3", "vLLM 0.28 needs a newer one", "transformers==5.5.4", {"vllm": ">=0.28,<0.29"}),
    Bad("vllm", ">=0.29", f"no transformers suits it and LLaMA-Factory 0.9.5: {_APART}", "", _LF),
    Bad("datasets", ">4.0.0", "LLaMA-Factory 0.9.5 ends at its start with it", "datasets==4.0.0", _LF),
    Bad("accelerate", ">1.15.0", "LLaMA-Factory 0.9.5 ends at its start with it", "accelerate==1.11.0", _LF),
    Bad("accelerate", "<1.3", "LLaMA-Factory 0.9.5 ends at its start with it", "accelerate==1.11.0", _LF),
    Bad("peft", ">0.20.0", "LLaMA-Factory 0.9.5 ends at its start with it", "peft==0.18.1", _LF),
    Bad("peft", "<0.18", "LLaMA-Factory 0.9.5 ends at its start with it", "peft==0.18.1", _LF),
    Bad("trl", ">0.24.0", "LLaMA-Factory 0.9.5 ends at its start with it", "trl==0.24.0", _LF),
    Bad("trl", "<0.18", "LLaMA-Factory 0.9.5 ends at its start with it", "trl==0.24.0", _LF),
    Bad(
        "omegaconf",
        "<2.4",
        "its antlr4 4.9 and the 4.11 that reads mathematical answers exclude each other",
        "omegaconf==2.4.0",
        {"antlr4-python3-runtime": ">=4.10"},
    ),
    Bad("lm-eval", "<0.4.13", "the tasks below eval/ use what 0.4.13 brought", "lm-eval==0.4.13"),
    Bad(
        "mergekit", "<0.1.5", "it does not know transformers 5, and merges were compared with 0.1.5", "mergekit==0.1.5"
    ),
)
PACKAGES = tuple(
    dict.fromkeys([*TRIED, *(bad.package for bad in BAD), *(name for bad in BAD for name in bad.beside or ())])
)


def troubles(packages: Mapping[str, str]) -> Iterator[Bad]:
    """What is known to be wrong with the packages of one environment."""
    for bad in BAD:
        beside = bad.beside or {}
        if within(packages.get(bad.package), bad.versions) and all(
            within(packages.get(one), said) for one, said in beside.items()
        ):
            yield bad
    yield from _torch_set(packages)


def untried(packages: Mapping[str, str], package: str) -> str | None:
    """The versions that were tried, if this environment has another one."""
    found = packages.get(package)
    return TRIED[package] if found is not None and not within(found, TRIED[package]) else None


def _torch_set(packages: Mapping[str, str]) -> Iterator[Bad]:
    """torch, torchvision and torchaudio are one set: of one build, and torchvision 0.(x + 15) for torch 2.x."""
    torch, vision = packages.get("torch"), packages.get("torchvision")
    if torch is None:
        return
    for name in ("torchvision", "torchaudio"):
        build = (packages.get(name) or "+stub").partition("+")[2]
        if "+cpu" in torch and build not in ("cpu", "stub"):
            why = f"it is a CUDA build beside torch {torch}: every import of a model fails (operator torchvision::nms)"
            yield Bad(name, "", why, f"./packaging/stubs/{name}")
        elif "+cpu" not in torch and build == "stub" and name in packages:
            why = f"it is the empty stand-in for processors beside torch {torch}"
            yield Bad(name, "", why, name, level="warning")
    numbers = [re.match(r"(\d+)\.(\d+)", version) for version in (torch, vision or "")]
    if vision is not None and "+stub" not in vision and numbers[0] and numbers[1]:
        (major, minor), (_, other) = (tuple(map(int, number.groups())) for number in numbers if number)
        if major == 2 and other != minor + 15:
            wanted = f"torchvision==0.{minor + 15}.*"
            yield Bad("torchvision", "", f"torch {torch} needs {wanted}: every import of a model fails", f"'{wanted}'")


def within(found: str | None, versions: str) -> bool:
    if found is None:
        return False
    try:
        return SpecifierSet(versions).contains(Version(found), prereleases=True)
    except InvalidVersion:
        return False
