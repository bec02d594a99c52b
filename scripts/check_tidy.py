#!/usr/bin/env python3
"""Runs clang-tidy over the sources of one folder, each as the build compiles it. Run by ctest.

check_tidy.py CLANG_TIDY BUILD FOLDER

Where the build compiles some sources at a time (CMAKE_UNITY_BUILD), so does this: most of the time goes into the
headers that they share.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# clang 14 does not know all instruction sets that GCC 12 asks for by name, nor CUDA 13 (sources in .cu).
NOT_FOR_CLANG = {"kernels/cpu/levels_x86.cpp"}


def sources_of(entry: dict) -> list[str]:
    """What an entry of compile_commands.json compiles, relative to the root; nothing outside it, nor generated."""
    file = Path(os.path.normpath(Path(entry["directory"]) / entry["file"]))
    files = [file]
    if file.name.startswith("unity_"):
        files = [Path(name) for name in re.findall(r'^#include "(.*)"$', file.read_text(), re.MULTILINE)]
    return [file.relative_to(ROOT).as_posix() for file in files
            if file.is_relative_to(ROOT) and not file.is_relative_to(entry["directory"])]


def entries_of(build: Path, folder: str) -> list[dict]:
    """Those whose first source is in the folder, but for what the tests make of sources that they share with it.
    Kernels are compiled once for each instruction set: the portable one is taken."""
    chosen: dict[str, dict] = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        sources = sources_of(entry)
        if Path(entry["file"]).is_relative_to(Path(entry["directory"]) / "tests"):
            continue
        if not sources or not sources[0].startswith(folder + "/") or sources[0] in NOT_FOR_CLANG \
                or sources[0].endswith(".cu"):
            continue
        if sources[0] not in chosen or "/portable" in entry["command"]:
            chosen[sources[0]] = entry
    return [chosen[name] for name in sorted(chosen)]


def main(tidy: str, build: str, folder: str) -> int:
    entries = entries_of(Path(build), folder)
    with tempfile.TemporaryDirectory() as database:
        (Path(database) / "compile_commands.json").write_text(json.dumps(entries))

        def run(entry: dict) -> subprocess.CompletedProcess:
            checks = ["--checks=-bugprone-suspicious-include"] if "/Unity/" in entry["file"] else []
            return subprocess.run([tidy, "--quiet", "-p", database, *checks, entry["file"]], cwd=ROOT, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(run, entries))
    for done in results:
        if done.returncode:
            print(done.stdout)
    count = sum(len(sources_of(entry)) for entry in entries)
    print(f"{folder}: {count} sources in {len(results)} parts, {sum(bool(done.returncode) for done in results)} "
          "with faults")
    return 1 if any(done.returncode for done in results) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
