"""Merging side by side on this machine: mergekit, mergekit on one thread, our stream engine, and the disk's own floor.

    python benchmarks/merge.py [--gib 4.8] [--branches 4] [--weights W ...] [--repeat 1] [--dir DIR]

Makes branches of random bfloat16 weights in 500 MB files, and merges them with mergekit_configs/linear.yaml's settings.
Before each measurement the page cache is dropped for all files concerned. Floor: read every input once while one output
of the same size is written, and see that to the disk, the fastest way that was found.
Prints a Markdown table; removes what it made.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml

SHARD, PIECE = 500_000_000, 8 * 2**20
WIDE = {"hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16, "num_key_value_heads": 8}
SIZES = WIDE | {"head_dim": 128, "vocab_size": 151_936}
CONFIG = SIZES | {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "tie_word_embeddings": True}
OWN = (
    "import sys; from mot_plugin.merging.stream import Config, run;"
    "run(Config(config=sys.argv[1], out=sys.argv[2])); import pathlib;"
    "print([l for l in pathlib.Path('/proc/self/status').read_text().splitlines() if l.startswith('VmHWM')][0])"
)


class Measured(NamedTuple):
    """Seconds, and peaks of anonymous and of all resident memory in bytes."""

    seconds: float
    anonymous: int
    resident: int


def layout(layers: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a Qwen3-like model: Qwen3-0.6B has 28 layers of this size."""
    hidden, inner, vocab = SIZES["hidden_size"], SIZES["intermediate_size"], SIZES["vocab_size"]
    queries, keys = SIZES["num_attention_heads"] * 128, SIZES["num_key_value_heads"] * 128
    each = {"input_layernorm": (hidden,), "post_attention_layernorm": (hidden,)}
    each |= {"mlp.down_proj": (hidden, inner), "mlp.gate_proj": (inner, hidden), "mlp.up_proj": (inner, hidden)}
    each |= {"self_attn.q_norm": (128,), "self_attn.k_norm": (128,), "self_attn.o_proj": (hidden, queries)}
    each |= {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
    }
    found = {"model.embed_tokens.weight": (vocab, hidden)}
    found |= {f"model.layers.{n}.{kind}.weight": shape for n in range(layers) for kind, shape in each.items()}
    return found | {"model.norm.weight": (hidden,)}


def make_branch(folder: Path, shapes: dict[str, tuple[int, ...]], layers: int, seed: int) -> None:
    """A model folder of random weights, in files of SHARD bytes at most."""
    draw, shards, size = np.random.default_rng(seed), [{}], 0
    for name, shape in shapes.items():
        count = int(np.prod(shape)) * 2
        if size and size + count > SHARD:
            shards.append({})
            size = 0
        shards[-1][name] = {"dtype": "BF16", "shape": shape, "data_offsets": [size, size + count]}
        size += count
    folder.mkdir(parents=True)
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors"
        weight_map |= dict.fromkeys(shard, file)
        head = json.dumps({"__metadata__": {"format": "pt"}} | shard).encode()
        head += b" " * (-len(head) % 8)
        with (folder / file).open("wb") as out:
            out.write(len(head).to_bytes(8, "little") + head)
            for entry in shard.values():
                begin, end = entry["data_offsets"]
                for start in range(begin, end, PIECE):
                    values = draw.standard_normal((min(start + PIECE, end) - start) // 2, np.float32) * np.float32(0.02)
                    out.write((values.view(np.uint32) >> 16).astype(np.uint16))
            out.flush()
            os.fsync(out.fileno())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    (folder / "config.json").write_text(json.dumps(CONFIG | {"num_hidden_layers": layers, "dtype": "bfloat16"}))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")


def drop_cache(root: Path) -> None:
    """Write back everything, then forget all pages of the files below `root`."""
    os.sync()
    for path in root.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError:
        print("(not root: only the files' own pages were dropped)", file=sys.stderr)


def measure(argv: list[str], out: Path, log: Path, **environment: str) -> Measured:
    """Run a command until its output is on the disk, sampling its memory 50 times a second."""
    began = time.monotonic()
    with log.open("w") as text:
        child = subprocess.Popen(argv, stdout=text, stderr=subprocess.STDOUT, env={**os.environ, **environment})
        anonymous = resident = 0
        while child.poll() is None:
            try:
                status = Path(f"/proc/{child.pid}/status").read_text()
            except OSError:
                break
            kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in status.splitlines() if " kB" in line}
            anonymous = max(anonymous, kilobytes.get("RssAnon", 0) * 1024)
            resident = max(resident, kilobytes.get("VmHWM", 0) * 1024)
            time.sleep(0.02)
        if child.wait():
            raise SystemExit(f"{argv} failed:\n{log.read_text()[-2000:]}")
    for path in out.glob("*"):  # mergekit leaves this to the kernel; the others have done it
        with path.open("rb") as file:
            os.fsync(file.fileno())
    return Measured(time.monotonic() - began, anonymous, resident)


def floor(inputs: list[Path], out: Path) -> None:
    """Read all files, on two threads and with the kernel told ahead, while as much as one input is written; then fsync."""

    def write() -> None:
        block, left = os.urandom(PIECE), sum(path.stat().st_size for path in inputs if path.parent == inputs[0].parent)
        with out.open("wb", buffering=0) as file:
            while left > 0:
                left -= file.write(block[:left])
            os.fsync(file.fileno())

    def read(pieces: list[tuple[int, int]]) -> None:
        buffer = bytearray(PIECE)
        for number, (descriptor, start) in enumerate(pieces):
            for ahead in pieces[number + 1 : number + 3]:
                os.posix_fadvise(*ahead, PIECE, os.POSIX_FADV_WILLNEED)
            os.preadv(descriptor, [buffer], start)

    opened = {path: os.open(path, os.O_RDONLY) for path in inputs}
    pieces = [(opened[path], start) for path in inputs for start in range(0, path.stat().st_size, PIECE)]
    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(pieces[n::2],)) for n in range(2))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def same(one: Path, other: Path) -> bool:
    """Whether the merged weights are the same bytes, file by file."""
    names = sorted(path.name for path in one.glob("*.safetensors"))
    if not names or names != sorted(path.name for path in other.glob("*.safetensors")):
        return False
    return all(subprocess.run(["cmp", "-s", one / name, other / name], check=False).returncode == 0 for name in names)


def measure_all(root: Path, repeat: int, weights: list[float]) -> dict[str, list[Measured]]:
    """Every contender in turn, `repeat` times over."""
    branches = sorted((root / "branches").iterdir())
    inputs = [str(path) for branch in branches for path in sorted(branch.glob("*.safetensors"))]
    merge = {"merge_method": "linear", "base_model": str(branches[0]), "dtype": "float32", "out_dtype": "bfloat16"}
    merge |= {
        "models": [{"model": str(p), "parameters": {"weight": w}} for p, w in zip(branches, weights, strict=True)]
    }
    config = root / "merge.yaml"
    config.write_text(yaml.safe_dump(merge, sort_keys=False))
    kit = [str(Path(sys.executable).parent / "mergekit-yaml"), str(config)]
    contenders = {
        "floor": ([sys.executable, __file__, "--floor", *inputs], {}),
        "stream engine": ([sys.executable, "-c", OWN, str(config)], {"PYTHONPATH": str(Path(__file__).parents[1])}),
        "mergekit, `OMP_NUM_THREADS=1`": (kit, {"OMP_NUM_THREADS": "1"}),
        "mergekit, its defaults": (kit, {}),
    }
    os.environ.pop("OMP_NUM_THREADS", None)
    found: dict[str, list[Measured]] = {name: [] for name in contenders}
    for turn in range(repeat):
        for number, (name, (argv, environment)) in enumerate(contenders.items()):
            out = root / f"out-{number}"
            (shutil.rmtree if out.is_dir() else lambda path: path.unlink(missing_ok=True))(out)
            drop_cache(root)
            more = [] if name == "floor" else ["--no-write-model-card", "--quiet"] if "mergekit" in name else []
            load = os.getloadavg()[0]
            found[name].append(measure([*argv, str(out), *more], out, root / "log", HF_HUB_OFFLINE="1", **environment))
            one = found[name][-1]
            print(f"{turn + 1}/{repeat} {name}: {one.seconds:.1f} s (load before: {load:.1f})", file=sys.stderr)
        if not all(same(root / "out-1", root / f"out-{number}") for number in (2, 3)):
            raise SystemExit("the outputs differ")
    return found


def table(found: dict[str, list[Measured]], what: str) -> str:
    """The medians as Markdown."""
    cores, memory = os.cpu_count(), os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    head = f"{datetime.date.today()}, {platform.machine()}, {cores} cores, {memory:.0f} GB memory. {what}"
    lines = [
        head,
        "",
        "| | seconds (all) | x floor | peak anonymous memory | peak resident |",
        "| --- " + "| ---: " * 4 + "|",
    ]
    lowest = float(np.median([one.seconds for one in found["floor"]]))
    for name, runs in found.items():
        times = ", ".join(f"{one.seconds:.1f}" for one in runs) if len(runs) > 1 else "1 run"
        middle = float(np.median([one.seconds for one in runs]))
        peaks = [f"{max(values) / 2**20:.0f} MiB" for values in ([one[1] for one in runs], [one[2] for one in runs])]
        lines.append(f"| {name} | {middle:.1f} ({times}) | {middle / lowest:.2f} | {peaks[0]} | {peaks[1]} |")
    return "\n".join([*lines, "", "Outputs of all three merges: the same bytes."])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=4.8, help="size of all branches together")
    parser.add_argument("--branches", type=int, default=4)
    parser.add_argument("--weights", type=float, nargs="+", help="one per branch; all 1 if not given")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--dir", type=Path, default=None, help="where to work: the disk that is measured")
    parser.add_argument("--floor", nargs="+", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.floor:
        floor(given.floor[:-1], given.floor[-1])
        return
    layer = sum(int(np.prod(shape)) for name, shape in layout(1).items() if ".layers." in name) * 2
    rest = SIZES["vocab_size"] * SIZES["hidden_size"] * 2
    layers = max(1, round((given.gib * 2**30 / given.branches - rest) / layer))
    root = Path(tempfile.mkdtemp(prefix="mot-merge-", dir=given.dir))
    try:
        for number in range(given.branches):
            make_branch(root / "branches" / f"b{number}", layout(layers), layers, number)
        total = sum(path.stat().st_size for path in (root / "branches").rglob("*.safetensors"))
        what = f"{given.branches} branches x {total / given.branches / 1e9:.2f} GB bfloat16, cold cache, n = {given.repeat}"
        weights = given.weights or [1.0] * given.branches
        print(table(measure_all(root, given.repeat, weights), f"{what}, weights {weights}"))
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
