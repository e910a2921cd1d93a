"""A healthy place for the doctor to look at, to be broken in one point; environments that hold nothing but their versions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_world import World

from mot_plugin.doctor import checks
from mot_plugin.doctor.finding import Finding

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZES = {
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "vocab_size": 304,
    "intermediate_size": 16,
    "max_position_embeddings": 65536,
}


@dataclass(frozen=True)
class Place:
    """The world of the fake tools with a student that fits, and a folder of programs that comes first on PATH."""

    world: World
    programs: Path

    def told(self, recipe: str | None = "tiny.yaml", machine: str = "machine.yaml") -> dict[str, Finding]:
        """What the doctor says here, by check; of several lines of one check the worst."""
        root, found = self.world.root, dict[str, Finding]()
        rank = ["ok", "unknown", "warning", "error"]
        for _, one in checks.examine(root / recipe if recipe else None, root / machine):
            if one.check not in found or rank.index(one.level) > rank.index(found[one.check].level):
                found[one.check] = one
        return found

    def machine(self, **blocks: Any) -> None:
        """Other blocks in the machine file; a mapping is merged into what is there."""
        self._edit("machine.yaml", blocks)

    def recipe(self, **blocks: Any) -> None:
        """The same in the recipe."""
        self._edit("tiny.yaml", blocks)

    def config(self, name: str = "config.json", **keys: Any) -> None:
        """Other keys in a JSON file of the student."""
        file = self.world.root / "student" / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))

    def program(self, name: str, text: str) -> None:
        """A real program on PATH: a shell script."""
        file = self.programs / name
        file.write_text(f"#!/bin/sh\n{text}\n")
        file.chmod(0o755)

    def _edit(self, file: str, blocks: Mapping[str, Any]) -> None:
        def change(data: dict[str, Any]) -> None:
            for key, value in blocks.items():
                data[key] = {**data.get(key, {}), **value} if isinstance(value, dict) else value

        self.world.edit(change, file)


@dataclass(frozen=True)
class Venv:
    """A real virtual environment without packages but their metadata."""

    root: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    @property
    def packages(self) -> Path:
        """Where its packages lie."""
        return next((self.root / "lib").glob("python*/site-packages"))

    def has(self, **versions: str) -> None:
        """Packages by name, `_` for `-`, as importlib.metadata finds them."""
        for name, version in versions.items():
            home = self.packages / f"{name}-{version}.dist-info"
            home.mkdir()
            (home / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
            )

    def command(self, name: str) -> str:
        """A program of it, as pip writes one."""
        file = self.root / "bin" / name
        file.write_text(f"#!{self.python}\nraise SystemExit('not to be started')\n")
        file.chmod(0o755)
        return str(file)
