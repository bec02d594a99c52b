#!/usr/bin/env python3
"""Runs clang-tidy over the sources of one folder, each as the build compiles it. Run by ctest.

check_tidy.py CLANG_TIDY BUILD FOLDER
"""
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# clang 14 does not know all instruction sets that GCC 12 asks for by name, nor CUDA 13 (sources in .cu).
NOT_FOR_CLANG = {"kernels/cpu/levels_x86.cpp"}


def commands(build: Path, folder: str) -> list[dict]:
    """One entry for each source. Kernels are compiled once per instruction set: the portable one is taken."""
    chosen: dict[str, dict] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        file = Path(os.path.normpath(Path(entry["directory"]) / entry["file"]))
        name = file.relative_to(ROOT).as_posix() if file.is_relative_to(ROOT) else ""
        if not name.startswith(folder + "/") or name in NOT_FOR_CLANG or name.endswith(".cu"):
            continue
        if name not in chosen or "/portable" in entry["command"]:
            chosen[name] = entry
    return [chosen[name] for name in sorted(chosen)]


def main(tidy: str, build: str, folder: str) -> int:
    entries = commands(Path(build), folder)
    with tempfile.TemporaryDirectory() as database:
        (Path(database) / "compile_commands.json").write_text(json.dumps(entries))

        def run(entry: dict) -> subprocess.CompletedProcess:
            return subprocess.run([tidy, "--quiet", "-p", database, entry["file"]], cwd=ROOT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(run, entries))
    for done in results:
        if done.returncode:
            print(done.stdout)
    print(f"{folder}: {len(results)} sources, {sum(bool(done.returncode) for done in results)} with faults")
    return 1 if any(done.returncode for done in results) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
