"""Makes the CUDA module again, for the machine's own device and with its compilers."""
from __future__ import annotations

import ctypes
import os
import sys

from gpu_parts.checks import Checks, Skip
from gpu_parts.machine import Machine, Tree, ask, find_tool

LIMIT = 900  # seconds


def build_module(checks: Checks, machine: Machine, tree: Tree) -> None:
    target = checks.out / "module" / "libkvs_cuda.so"
    log = checks.log("build", "module")

    def work() -> str:
        nvcc, architecture = find_tool("nvcc"), machine.architecture()
        if not architecture:
            raise Skip(machine.no_device or "the driver does not say what the device can do: set CUDAARCHS")
        missing = [name for name, there in (("nvcc", nvcc), ("g++", ask(os.environ.get("CXX") or "g++", "--version")))
                   if not there]
        if missing:
            raise Skip(f"not on this machine: {', '.join(missing)}")
        if not (tree.root / "kernels" / "cuda").is_dir():
            raise Skip("the sources are not here")
        if target.exists():
            target.unlink()
        checks.require([sys.executable, tree.root / "scripts" / "build-cuda", "--arch", architecture, "--lib", tree.lib,
                        "--nvcc", nvcc, "-o", target], LIMIT, log)
        tree.module = target
        return log.read_text(errors="replace").splitlines()[-1]

    if checks.check("build", "module", work):  # in a process of its own: nothing that it needs may be missing
        code = f"import ctypes, os; ctypes.CDLL({str(target)!r}, mode=os.RTLD_NOW).kvs_cuda_device_count"
        checks.run("build", "loads", [sys.executable, "-c", code], 120, tree.environment())
