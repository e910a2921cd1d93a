"""How large models are: counted from a config as their cards say it, known by name, guessed from a name, or read from files."""

from pathlib import Path

import pytest
from fake_world import make_world

from mot_plugin.costs import shape

# From the model cards and index files on the hub.
PARAMETERS = {
    "Qwen/Qwen3-8B@b968826d9c46dd6066d109eabc6255188de91218": 8_190_735_360,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "Qwen/Qwen3-30B-A3B": 30_532_122_624,
    "Qwen/Qwen3-235B-A22B": 235_093_634_560,
    "Qwen/QwQ-32B": 32_763_876_352,
    "Qwen/Qwen3-0.6B": 596_049_920,
}


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_parameters_are_counted_as_the_hub_counts_them(name: str, parameters: int) -> None:
    found = shape.of_name(name)
    assert found is not None
    assert found.parameters == parameters
    assert found.bytes == 2 * parameters
    assert not found.source


def test_of_experts_only_the_chosen_ones_work() -> None:
    small, large = shape.of_name("Qwen3-30B-A3B"), shape.of_name("Qwen/Qwen3-235B-A22B")
    assert small is not None
    assert large is not None
    assert (small.experts, large.experts) == (True, True)
    assert 2.9e9 < small.active < 3.4e9
    assert 21e9 < large.active < 22.5e9


@pytest.mark.parametrize(
    ("name", "whole", "active"),
    [
        ("some/Llama-3.1-8B-Instruct", 8e9, 8e9),
        ("some/Thing-100B-A5.5B", 100e9, 5.5e9),
        ("qwen3-14b-boba200", 14_768_307_200, None),
        ("deepseek-ai/DeepSeek-R1@56d4cbbb", 671e9, 37e9),
    ],
)
def test_a_name_may_say_it(name: str, whole: float, active: float | None) -> None:
    found = shape.of_name(name)
    assert found is not None
    assert found.parameters == whole
    assert active in (None, found.active)


def test_a_name_may_say_nothing() -> None:
    assert shape.of_name("some/model") is None
    assert shape.of_name("gpt4b2") is None
    assert "nothing is known of some/model" in shape.assumed("some/model").source


def test_a_folder_is_read(tmp_path: Path) -> None:
    world = make_world(tmp_path / "world")
    found = shape.of_folder("student", world.root / "student")
    assert found is not None
    assert found.parameters == 304 * 8 + 8
    assert found.bytes == 2 * found.parameters
    (world.root / "student" / "model.safetensors").write_bytes(b"a pointer to large files, not one")
    assert shape.of_folder("student", world.root / "student") is None
    assert shape.of_folder("student", tmp_path) is None


def test_the_quickstart_s_student_is_counted_by_its_config() -> None:
    folder = Path(__file__).parents[2] / "recipes" / "quickstart" / "student"
    found = shape.of_folder("student", folder)
    assert found is not None
    assert found.parameters == found.bytes / 2 == 648_256
    assert found.attention == 3 * 4 * 32
