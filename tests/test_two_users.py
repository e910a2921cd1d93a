"""Two users of one computer, and two folders of runs, with one store. The users are real: that needs root, and a namespace."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fake_world import World, make_world

pytestmark = pytest.mark.process
ANN, BOB, GROUP = 61001, 61002, 62000
OPENED = """
mount --bind "$1" "$2" && mount -t tmpfs -o mode=755 none "$1" && mkdir -p "$3" && mount --bind "$2${3#"$1"}" "$3"
shift 3; exec "$@"
"""
"""$1: a folder that only root may enter, $2: a spare one, $3: the one below $1 that others shall enter."""


@dataclass(frozen=True)
class Theirs(World):
    """A world of one user, whose commands run as that user with the usual umask of 022."""

    user: int
    spare: Path

    def before(self) -> list[str]:
        """Become the user, where Python can be reached."""
        user = ["setpriv", f"--reuid={self.user}", f"--regid={GROUP}", "--clear-groups"]
        usual = ["sh", "-c", 'umask 022; exec "$@"', "sh"]
        return [*entering(Path(sys.base_prefix), self.spare), *user, *usual]

    def ours(self, *files: str) -> None:
        """What a test has written belongs to the user."""
        for name in files:
            os.chown(self.root / name, self.user, GROUP)


def entering(wanted: Path, spare: Path) -> list[str]:
    """What to put before a command of anybody's that has to reach a folder behind one that only its owner may enter."""
    shut = next((one for one in reversed(wanted.parents) if not one.stat().st_mode & stat.S_IXOTH), None)
    return ["unshare", "--mount", "bash", "-c", OPENED, "bash", str(shut), str(spare), str(wanted)] if shut else []


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are for one user."""
    folder = Path(tempfile.mkdtemp(prefix="mot-users-"))
    folder.chmod(0o755)
    (folder / "spare").mkdir()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def users(place: Path) -> Iterator[tuple[Theirs, Theirs]]:
    """Ann and Bob, and a store that is their group's."""
    if os.geteuid():
        pytest.skip("only root can become two users")
    (place / "store").mkdir()
    os.chown(place / "store", ANN, GROUP)
    (place / "store").chmod(0o2775)
    both = Theirs(place / "ann", ANN, place / "spare"), Theirs(place / "bob", BOB, place / "spare")
    for world in both:
        make_world(world.root, rounds=1)
        world.edit(lambda machine: machine["storage"].update(store=str(place / "store")), "machine.yaml")
        for path in (world.root, *world.root.rglob("*")):
            os.chown(path, world.user, GROUP)
    tried = subprocess.run(
        [*both[0].before(), sys.executable, "-c", "pass"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no process of another user can be started here: {tried.stderr.strip()}")
    yield both
    for world in both:
        world.end_all()


def closed(store: Path) -> list[Path]:
    """What in it the group may not read and write."""
    wanted = stat.S_IRGRP | stat.S_IWGRP
    return [path for path in store.rglob("*") if path.stat().st_mode & wanted != wanted]


def test_what_one_made_the_other_goes_on_with(users: tuple[Theirs, Theirs], place: Path) -> None:
    """Without anybody's thinking of a umask; safetensors leaves weights to their owner alone, and a student's are linked."""
    ann, bob = users
    said = ann.mot("doctor", "tiny.yaml", "--machine", "machine.yaml")
    assert "model.safetensors is for its owner alone, and a group shares" in said.stdout
    ended = ann.run()
    assert ended.returncode == 0, ended.stderr
    ended = bob.run()
    assert "everything is done" in ended.stdout, ended.stderr
    assert bob.starts() == 0
    assert closed(place / "store") == []
    assert {path.stat().st_uid for path in (place / "store").rglob("*.safetensors")} == {ANN}
    bob.edit(lambda recipe: recipe["methods"]["mot"].update(rounds=2))
    ended = bob.run()
    assert ended.returncode == 0, ended.stderr
    assert (bob.starts("llamafactory-cli"), bob.starts("lm_eval")) == (2, 1)
    assert ann.todo() == []


def test_one_goes_on_where_the_other_was_killed(users: tuple[Theirs, Theirs], place: Path) -> None:
    """With half a training and its checkpoints, of which only their owner may read the weights: it begins anew."""
    ann, bob = users
    for world in users:
        world.edit(lambda recipe: recipe["methods"]["mot"].update(steps=5))
        world.edit(lambda machine: machine.update(checkpoint_every=2, retries=0), "machine.yaml")
    ann.fault("llamafactory-cli", "exit1", match="bert")
    ann.fault("llamafactory-cli", "disk-full", match="anna")
    ann.ours("faults.json")
    assert ann.run().returncode == 3
    assert any((place / "store").rglob("mot_plugin.whole"))
    ended = bob.run()
    assert ended.returncode == 0, ended.stderr
    assert [row["step"] for row in bob.log("from")] == [0, 0]
    assert closed(place / "store") == []
    ended = ann.run()
    assert "everything is done" in ended.stdout, ended.stderr


def test_a_store_that_is_not_shared_is_refused_before_anything_starts(
    users: tuple[Theirs, Theirs], place: Path
) -> None:
    ann, bob = users
    store = place / "store"
    store.chmod(0o755)
    assert ann.run().returncode == 0
    assert "everything is done" in bob.run().stdout, "all of it can be read"
    bob.edit(lambda recipe: recipe["methods"]["mot"].update(rounds=2))
    bob.forget()
    ended = bob.run()
    assert (ended.returncode, bob.starts()) == (2, 0)
    assert ended.stderr.startswith(
        f"error: recipe tiny cannot start: what others made in the store is closed\n  {store} belongs to {ANN} (drwxr-xr-x)\n"
    )
    assert "Whoever owns it shares it, once: `chgrp -R GROUP STORE; chmod -R g+rwX STORE; " in ended.stderr
    said = bob.mot("doctor", "tiny.yaml", "--machine", "machine.yaml", "--json")
    assert f"{store} belongs to {ANN}" in said.stdout
    store.chmod(0o2775)
    for folder in (path for path in store.rglob("*") if path.is_dir()):
        folder.chmod(0o2775)
    hidden = next(store.glob("*/out/model/model.safetensors"))
    hidden.chmod(0o600)
    ended = bob.run()
    assert f"  {hidden} belongs to {ANN} (-rw-------)\n" in ended.stderr
    hidden.chmod(0o644)
    home = store / bob.plan()["mot/round-1/merge"]["fingerprint"]
    home.chmod(0o700)
    ended = bob.run()
    assert f"  {home} belongs to {ANN} (drwx------)\n" in ended.stderr
    home.chmod(0o2775)
    assert bob.run().returncode == 0


def test_a_run_in_another_folder_keeps_what_it_reads(tmp_path: Path) -> None:
    """The store knows the plans of all runs that read from it, wherever they lie; of a deleted run it forgets them."""
    world = make_world(tmp_path / "world", rounds=1)
    machine = {"storage": {"runs": "elsewhere", "store": str(tmp_path / "store")}}
    world.edit(lambda given: given["storage"].update(store=str(tmp_path / "store")), "machine.yaml")
    world.edit(lambda given: given.update(machine), "machine.yaml", to="other.yaml")
    world.edit(lambda recipe: recipe["methods"]["mot"].update(rounds=2), to="longer.yaml")
    world.fault("llamafactory-cli", "exit1", match="round-1/branches/bert", times=9)
    other = ("run", "longer.yaml", "--machine", "other.yaml")
    assert world.mot(*other).returncode == 3
    world.mend()
    assert world.run().returncode == 0
    world.forget()
    assert world.mot(*other).returncode == 0
    assert (world.starts("llamafactory-cli"), world.starts("mergekit-yaml")) == (2, 1), "round 1 is there"
    known = list((tmp_path / "store" / "runs").glob("*.json"))
    assert len(known) == 2
    shutil.rmtree(world.root / "elsewhere")
    world.edit(lambda recipe: recipe["sft"].update(learning_rate=0.02))
    assert world.run().returncode == 0
    assert len(list((tmp_path / "store" / "runs").glob("*.json"))) == 1
