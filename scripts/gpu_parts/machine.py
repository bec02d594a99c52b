"""What the checks run on, and where the programs are."""
from __future__ import annotations

import datetime
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Optional

CUDA = Path("/usr/local/cuda")  # where the toolkit lies by default, often not on PATH
STDCXX = re.compile(rb"GLIBCXX_3\.4\.(\d+)")


def ask(*command) -> str:
    """The standard output, empty where the program is not there or fails."""
    try:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode(errors="replace").strip()


def find_tool(name: str) -> Optional[str]:
    return shutil.which(name) or shutil.which(name, path=str(CUDA / "bin"))


def ask_device(fields: str) -> str:
    lines = ask("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader").splitlines()
    return lines[0].strip() if lines else ""


def cpu_name() -> str:
    try:
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        names = []
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} CPUs"


class Machine:
    def __init__(self):
        self.device = ask_device("name,driver_version,memory.total")
        self.no_device = "" if self.device else "nvidia-smi finds no device"
        nvcc = find_tool("nvcc")
        release = re.search(r"release ([0-9.]+)", ask(nvcc, "--version")) if nvcc else None
        self.nvcc = release.group(1) if release else None
        self.driver = ask_device("driver_version") or None

    def architecture(self) -> str:
        """As nvcc names it: 80, 89, 90a; CUDAARCHS goes before what the device says. Empty where nobody knows."""
        if os.environ.get("CUDAARCHS"):
            return os.environ["CUDAARCHS"].split(";")[0].split("-")[0]
        digits = ask_device("compute_cap").replace(".", "") if self.device else ""
        return "90a" if digits == "90" else digits

    def describe(self, tree: Tree) -> dict:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
        return {"device": self.device or None, "date": now, "commit": tree.commit(), "cpu": cpu_name(),
                "cuda": {"nvcc": self.nvcc, "driver": self.driver}}


class Tree:
    """An unpacked bundle, which has bin/, lib/ and tests/bin/, or a source tree, which has them under build/."""

    def __init__(self, root: Path):
        self.root = root
        self.bundle = (root / "tests" / "bin").is_dir()
        build = root / "build" / "release"
        self.bin = Path(os.environ.get("KVS_BIN") or (root if self.bundle else build) / "bin").resolve()
        self.tests = root / "tests" / "bin" if self.bundle else self.bin
        self.lib = root / "lib" if self.bundle else self.bin.parent / "lib"
        self.data = root / "tests" / "data"
        models = root / "models"
        if models.is_dir():
            self.models = models
        else:
            cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            self.models = Path(os.environ.get("KVS_MODELS") or Path(cache) / "kvshare" / "models")
        self.module: Optional[Path] = None  # made here, in place of the one that came along

    def environment(self) -> dict:
        """For our programs: where their libraries are."""
        folders = [self.module.parent] if self.module else []
        folders += [self.lib, *filter(None, [os.environ.get("LD_LIBRARY_PATH")]), CUDA / "lib64"]
        folders += [lib for path in sys.path for lib in Path(path or ".").glob("nvidia/cu13/lib")]  # PyTorch's
        environment = {"LD_LIBRARY_PATH": ":".join(map(str, folders)), "KVS_MODELS": str(self.models)}
        newer = self.newer_stdcxx() if self.module else None
        if newer:  # the programs' own run path would go before LD_LIBRARY_PATH
            environment["LD_PRELOAD"] = newer
        return environment

    def newer_stdcxx(self) -> Optional[str]:
        """The compiler's library, where a module that it made may need more than the one that came along has."""
        ours = self.lib / "libstdc++.so.6"
        theirs = Path(ask(os.environ.get("CXX") or "g++", "-print-file-name=libstdc++.so.6"))
        if not ours.exists() or not theirs.is_absolute() or not theirs.exists():
            return None
        latest = [max(map(int, STDCXX.findall(path.read_bytes())), default=0) for path in (ours, theirs)]
        return str(theirs) if latest[1] > latest[0] else None

    def commit(self) -> str:
        """Of the sources: a bundle says it in a file."""
        file = self.root / "commit"
        if file.exists():
            return file.read_text().strip()
        return ask("git", "-C", self.root, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*") or "unknown"
