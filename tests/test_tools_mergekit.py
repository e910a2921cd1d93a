"""mergekit files: what a plan fills in, what it refuses, and the weights that the check compares with."""

import pytest
import yaml

from mot_plugin.tools import mergekit

BRANCHES = {"qwq": "artifacts/b/qwq/model", "r1": "artifacts/b/r1/model", "v3": "artifacts/b/v3/model"}
START = "artifacts/base/student/model"
HEAD = "merge_method: linear\ndtype: float32\nout_dtype: bfloat16\n"
SAME = "models: [{model: branches/a}, {model: branches/b}]\n"


def fill(text: str, branches: dict[str, str] | None = None) -> dict[str, object]:
    filled = yaml.safe_load(mergekit.fill(text, "mine.yaml", branches or BRANCHES, START))
    assert isinstance(filled, dict)
    return filled


def test_models_become_the_branches_in_their_order() -> None:
    filled = fill(HEAD + SAME + "parameters: {normalize: true}\n")
    assert filled["models"] == [{"model": path} for path in BRANCHES.values()]
    assert filled["parameters"] == {"normalize": True}
    assert (filled["merge_method"], filled["dtype"], filled["out_dtype"]) == ("linear", "float32", "bfloat16")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_branches(count: int) -> None:
    branches = dict(list(BRANCHES.items())[:count])
    assert fill(HEAD + SAME, branches)["models"] == [{"model": path} for path in branches.values()]


def test_parameters_that_all_share_go_to_every_branch() -> None:
    text = HEAD + "models: [{model: branches/a, parameters: {density: 0.5}}]\n"
    assert fill(text)["models"] == [{"model": path, "parameters": {"density": 0.5}} for path in BRANCHES.values()]


def test_parameters_by_name_go_to_their_branch() -> None:
    entries = ", ".join(
        f"{{model: branches/{n}, parameters: {{weight: {w}}}}}" for n, w in (("v3", 3), ("qwq", 1), ("r1", 2))
    )
    filled = mergekit.fill(f"{HEAD}models: [{entries}]\n", "mine.yaml", BRANCHES, START)
    assert [entry["parameters"]["weight"] for entry in yaml.safe_load(filled)["models"]] == [1, 2, 3]
    assert mergekit.weights(filled) == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("base", "path"),
    [
        ("student", START),
        ("branches/r1", BRANCHES["r1"]),
        ("branches/a", BRANCHES["qwq"]),  # the shipped file's stand-in: the first branch
    ],
)
def test_the_base_model(base: str, path: str) -> None:
    assert fill(f"{HEAD}{SAME}base_model: {base}\n")["base_model"] == path


def test_without_a_base_model_none_is_added() -> None:
    assert "base_model" not in fill(HEAD + SAME)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no list of `models`"),
        ("- a\n", "has no list of `models`"),
        (HEAD, "has no list of `models`"),
        (HEAD + "models: []\n", "has no list of `models`"),
        (HEAD + "models: {a: b}\n", "has no list of `models`"),
        (HEAD + "models: [\n", "is not valid YAML"),
        (HEAD.replace("merge_method: linear\n", "") + SAME, "has no merge_method"),
        (HEAD.replace("out_dtype", "outdtype") + SAME, "mergekit would silently ignore outdtype"),
        (
            HEAD.replace("dtype: float32", "dtype: bfloat16") + SAME,
            "must say `dtype: float32` and `out_dtype: bfloat16`",
        ),
        (HEAD.replace("out_dtype: bfloat16\n", "") + SAME, "must say `dtype: float32` and `out_dtype: bfloat16`"),
        (HEAD + "models: [branches/a]\n", "must be `model: branches/<name>`, got 'branches/a'"),
        (HEAD + "models: [{mdel: branches/a}]\n", "must be `model: branches/<name>`"),
        (HEAD + "models: [{model: Qwen/Qwen3-8B}]\n", "must be `model: branches/<name>`"),
        (HEAD + SAME + "base_model: Qwen/Qwen3-8B\n", "base_model must be `student` or `branches/<name>`"),
        (
            HEAD + "models: [{model: branches/qwq, parameters: {weight: 2}}, {model: branches/r1}]\n",
            "gives its models different parameters but has no entry branches/v3",
        ),
    ],
)
def test_a_file_that_cannot_be_filled_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=r"mine\.yaml") as raised:
        fill(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        (SAME, [1.0, 1.0, 1.0]),
        (SAME + "parameters: {weight: 0.5}\n", [0.5, 0.5, 0.5]),
        (SAME + "parameters: {normalize: false}\n", None),
        (SAME + "parameters: {weight: [0, 1]}\n", None),
    ],
)
def test_weights_of_a_plain_mean(text: str, weights: list[float] | None) -> None:
    assert mergekit.weights(mergekit.fill(HEAD + text, "mine.yaml", BRANCHES, START)) == weights


def test_only_a_mean_has_weights() -> None:
    text = (HEAD + SAME).replace("linear", "ties") + "base_model: student\n"
    assert mergekit.weights(mergekit.fill(text, "mine.yaml", BRANCHES, START)) is None


def test_the_command_asks_no_hub() -> None:
    command, file = mergekit.merge("configs/x.yaml", "mot/round-1/merge", "models: []\n", "work/x/model")
    assert command.args == ("configs/x.yaml", "work/x/model", "--no-write-model-card", "--random-seed", "0")
    assert dict(command.env)["HF_HUB_OFFLINE"] == "1"
    assert file.path == command.args[0]
    assert file.identity == "models: []\n"
    assert file.text.startswith("# mot/round-1/merge: ")


def test_own_weights_go_before_the_files() -> None:
    filled = mergekit.fill(HEAD + SAME, "mine.yaml", BRANCHES, START, {name: n + 1 for n, name in enumerate(BRANCHES)})
    assert mergekit.weights(filled) == [n + 1.0 for n in range(len(BRANCHES))]


def test_a_method_without_weights_takes_none() -> None:
    text = (HEAD + SAME).replace("linear", "karcher")
    with pytest.raises(ValueError, match="karcher takes no weights"):
        mergekit.fill(text, "mine.yaml", BRANCHES, START, dict.fromkeys(BRANCHES, 1.0))
