"""Speed on the device: random models, edited prompts by policy, and PyTorch on the same shapes."""
from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
from pathlib import Path

from gpu_parts.checks import Checks, Failure, Skip
from gpu_parts.machine import Machine, Tree, ask, ask_device

LIMIT = 600  # seconds of one check
LARGE = "llama-3.1-8b"
# name, shape, options of kvs-eval bench
RUNS = (("smollm2-135m", "smollm2-135m", ()),
        (LARGE, LARGE, ("--prefill", "512,2048,8192", "--batch", "1,32", "--attention", "8192")),
        ("qwen2.5-7b", "qwen2.5-7b", ("--batch", "1,32")),
        (f"{LARGE}-16k", LARGE, ("--prefill", "16384", "--append", "164", "--context", "16384", "--decode", "16384")),
        (f"{LARGE}-32k", LARGE, ("--prefill", "32768", "--append", "328", "--context", "32000", "--decode", "32768")))
LENGTHS = (2048, 4096, 8192, 16384, 32768)  # of edited prompts
BUDGETS = "0.02,0.05,0.1"


class Bench:
    def __init__(self, checks: Checks, machine: Machine, tree: Tree, peers: bool):
        self.checks, self.machine, self.tree, self.peers = checks, machine, tree, peers
        self.edits: dict = {}

    def run(self) -> None:
        if self.machine.no_device:
            self.checks.skip("bench", "all", self.machine.no_device)
            return
        for name, shape, options in RUNS:
            self.checks.check("bench", name, lambda: self.measure(name, shape, options))
            if self.peers and name == shape:
                self.checks.check("bench", f"torch-{shape}", lambda: self.time_peers(shape))
        for length in LENGTHS:
            self.checks.check("bench", f"edits-{length}", lambda: self.replay(length))

    def kvs_eval(self, name: str, *options) -> None:
        self.checks.require([self.tree.bin / "kvs-eval", *options], LIMIT, self.checks.log("bench", name),
                            self.tree.environment())

    def measure(self, name: str, shape: str, options: tuple) -> str:
        file = self.checks.out / f"bench-{name}.json"
        with MostMemory() as memory:
            self.kvs_eval(name, "bench", "-m", f"random:{shape}", "--device", "cuda", *options, "--json", file)
        figures = json.loads(file.read_text())
        figures["memory"]["device_most_mib"] = memory.most
        file.write_text(json.dumps(figures, indent=1) + "\n")
        load = figures["load"]
        if load and load["loaded"] < 0.9 * load["context"]:
            raise Failure(f"expected {load['context']} tokens from host memory, found {load['loaded']}")
        return summary(figures)

    def time_peers(self, shape: str) -> str:
        """Right behind ours, on the same device."""
        if not ask(sys.executable, "-c", "import torch; print(torch.__version__)"):
            raise Skip("python3 has no torch")
        if ask(sys.executable, "-c", "import torch; print(torch.cuda.is_available())") != "True":
            raise Skip("torch sees no CUDA device")
        name = f"torch-{shape}"
        self.checks.require([sys.executable, self.tree.root / "scripts" / "bench_torch.py", "--shape", shape, "--json",
                             self.checks.out / f"peers-{shape}.json"], LIMIT, self.checks.log("bench", name))
        return ""

    def replay(self, length: int) -> str:
        """Time to first token of edited prompts, by policy and budget."""
        name = f"edits-{length}"
        files = make_edits(self.tree, self.checks.out / "edits", length)
        detail = self.checks.out / f"{name}.jsonl"
        # A policy keeps the first prompt and computes another: 128 KiB a token of this model in f16.
        memory = 512 + 2 * length // 8 * 5 // 4
        self.kvs_eval(name, "run", "-m", f"random:{LARGE}", "--device", "cuda", "--no-noise", "--no-answers",
                      "--kv-memory", memory, "--policy", "prefix,naive,kvshare", "--budget", BUDGETS, "--detail",
                      detail, "--workload", *files)
        self.edits[str(length)] = rows_of(detail)
        return say(self.edits[str(length)])

    def results(self) -> dict:
        def by_name(kind: str) -> dict:
            return {file.stem[len(kind) + 1:]: json.loads(file.read_text())
                    for file in sorted(self.checks.out.glob(f"{kind}-*.json"))}

        return {"bench": by_name("bench"), "peers": by_name("peers"), "edits": self.edits}


def summary(figures: dict) -> str:
    """The last of each list: shares of the peak and of the bandwidth."""
    words = [f"prefill {row['tokens']}: {row['share_of_peak']}" for row in figures["prefill"][-1:]]
    words += [f"decode {row['batch']} behind {row['context']}: {row['share_of_bandwidth']}"
              for row in figures["decode"][-1:]]
    words += [f"attention, {row['segments']} segments: {row['share_of_peak']}" for row in figures["attention"][-2:]]
    return ", ".join(words)


class MostMemory:
    """What of the device's memory is in use at most, in MiB, asked for twice a second: our programs and all others."""

    def __enter__(self):
        self.most = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join(70)

    def watch(self) -> None:
        while not self.done.is_set():
            digits = ask_device("memory.used").split(" ")[0]
            self.most = max(self.most, int(digits) if digits.isdigit() else 0)
            self.done.wait(0.5)


def make_edits(tree: Tree, folder: Path, length: int, vocab: int = 128256) -> list:
    subprocess.run([sys.executable, str(tree.root / "scripts" / "make-edits"), "--out", str(folder), "--lengths",
                    str(length), "--vocab", str(vocab), "--prompts", "2"], check=True, stdin=subprocess.DEVNULL)
    return [folder / f"{kind}-{length}.jsonl" for kind in ("edit", "moved")]


def rows_of(detail: Path) -> list:
    """Of the edited prompts, a row for each workload, policy and budget."""
    groups: dict = {}
    for line in map(json.loads, detail.read_text().splitlines()):
        if line["similar"]:
            groups.setdefault((line["workload"], line["policy"], line["budget"]), []).append(line)
    rows = []
    for (workload, policy, budget), lines in groups.items():
        ttft, full = (statistics.median(line[key] for line in lines) for key in ("ttft_ms", "ttft_full_ms"))
        rows.append({"workload": workload, "policy": policy, "budget": budget, "ttft_ms": ttft, "full_ms": full,
                     "speedup": round(full / ttft, 2),
                     **{key: statistics.median(line[key] for line in lines) for key in ("hit_rate", "computed_share")}})
    return rows


def say(rows: list) -> str:
    words = []
    for workload in dict.fromkeys(row["workload"] for row in rows):
        own = [row for row in rows if row["workload"] == workload and row["policy"] == "kvshare" and row["budget"]]
        words.append(f"{workload}: " + ", ".join(f"{row['budget']:.0%} {row['speedup']}x" for row in own))
    return "; ".join(words)
