#!/usr/bin/env python3
"""Turns CUDA sources into C++ for emulation.h: translate.py OUT_FOLDER FILE...

Launches become calls, dynamic shared memory a pointer; the matrix instructions are those of the
mma.cuh beside this file.
"""
import re
import sys
from pathlib import Path

LAUNCH = re.compile(r"([A-Za-z_]\w*(?:<[\w:, ]+>)?)\s*<<<(.*?)>>>\(", re.S)
DYNAMIC = re.compile(r"extern __shared__ __align__\(16\) unsigned char (\w+)\[\];")


def translated(text: str) -> str:
    text = LAUNCH.sub(r"kvs::emulated::launch(\1, \2)(", text)
    text = DYNAMIC.sub(r"unsigned char* \1 = kvs::emulated::dynamic_memory;", text)
    text = text.replace('"kernels/cuda/mma.cuh"', '"support/emulated_cuda/mma.cuh"')
    if "<<<" in text or "extern __shared__" in text:
        sys.exit("translate.py: a launch or declaration was not understood")
    return '#include "support/emulated_cuda/emulation.h"\n' + text


def main(out: str, *files: str) -> None:
    for file in map(Path, files):
        (Path(out) / (file.stem + ".cpp")).write_text(translated(file.read_text()))


if __name__ == "__main__":
    main(*sys.argv[1:])
