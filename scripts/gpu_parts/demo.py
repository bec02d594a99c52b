"""The main job with the tools, on two devices: pre-warm, index, answer with reuse and without. In f32, greedy, both
must give the same answers from the same reuse."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from gpu_parts.checks import Checks, Failure, Skip
from gpu_parts.machine import Machine, Tree

LIMIT = 300  # seconds of one command
COUNTS = ("prompt_tokens", "exact", "shifted", "fuzzy", "recomputed", "computed")
# What they reuse does not hang on measured times.
REUSE = {"off": ["--reuse", "off"], "naive": ["--policy", "naive"], "epic": ["--policy", "epic"]}
TOKENS = 24  # of an answer: few enough for two devices to agree, ties apart


class Demo:
    def __init__(self, checks: Checks, tree: Tree, log: Path):
        self.checks, self.tree, self.log = checks, tree, log
        self.folder = checks.out / "demo"
        self.folder.mkdir(exist_ok=True)
        self.model, self.name = ["-m", "smollm2"], "SmolLM2"  # in the folder that the environment names
        length = None
        if not (tree.models / "smollm2").is_dir():
            self.model = ["-m", str(tree.data / "stories260K.gguf"), "--chat-template", "chatml"]
            self.name = "stories260K"
            length = 1500  # characters of the policy: each word is many tokens to it
        self.write_requests(length)

    def write_requests(self, length) -> None:
        scripts = self.tree.root / "scripts"
        policy = (scripts / "demo_data" / "policy.txt").read_text(encoding="utf-8")[:length]
        (self.folder / "policy.txt").write_text(policy, encoding="utf-8")
        for name in ("warm", "ask"):
            text = subprocess.run([sys.executable, str(scripts / "demo_requests.py"), str(self.folder / "policy.txt"),
                                   str(scripts / "demo_data" / f"{name}.tsv")], stdout=subprocess.PIPE,
                                  check=True).stdout
            (self.folder / f"{name}.jsonl").write_bytes(text)

    def tool(self, name: str, *options, output: Path = None) -> None:
        self.checks.require([self.tree.bin / name, *options], LIMIT, self.log, self.tree.environment(), output)

    def answers(self, device: str, place: Path) -> dict:
        """What each kind of reuse answers; everything is made in `place`."""
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        arithmetic = [*self.model, "--device", device, "--compute", "f32"]
        archive, index = place / "warm.kva", place / "index"
        self.tool("kvs-embed", *arithmetic, "--kv", "--kv-type", "f32", "-o", archive, self.folder / "warm.jsonl")
        self.tool("kvs-index", "build", "-o", index, archive)
        found = {}
        for name, options in REUSE.items():
            output = place / f"{name}.jsonl"
            self.tool("kvs-serve", "run", *arithmetic, "--kv", "f32", "--index", index, "--max-tokens", TOKENS,
                      *options, self.folder / "ask.jsonl", output=output)
            found[name] = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
        return found


def compare(expected: dict, found: dict) -> str:
    """A word on how much is equal. Throws Failure where something is not, or where nothing was reused."""
    equal = reused = 0
    for name, lines in expected.items():
        if len(lines) != len(found[name]):
            raise Failure(f"{name}: expected {len(lines)} answers, found {len(found[name])}")
        for want, got in zip(lines, found[name]):
            where = f"{name}, request {want['id']}"
            counts = [{key: line["kvshare"][key] for key in COUNTS} for line in (want, got)]
            if counts[0] != counts[1]:
                raise Failure(f"{where}: expected reuse {counts[0]}, found {counts[1]}")
            if want["tokens"] != got["tokens"]:
                at = sum(1 for _ in common_start(want["tokens"], got["tokens"]))
                raise Failure(f"{where}: answers differ from token {at} on")
            equal += len(want["tokens"])
            reused += counts[0]["exact"] + counts[0]["shifted"]
    if reused == 0:
        raise Failure("nothing was reused")
    return f"{equal} tokens of answers equal, {reused} tokens reused"


def common_start(left: list, right: list):
    for pair in zip(left, right):
        if pair[0] != pair[1]:
            return
        yield pair


def run_demo(checks: Checks, machine: Machine, tree: Tree, devices: tuple = ("cpu", "cuda")) -> None:
    log = checks.log("demo", "tools")

    def work() -> str:
        if machine.no_device:
            raise Skip(machine.no_device)
        demo = Demo(checks, tree, log)
        answers = [demo.answers(device, demo.folder / f"{number}-{device}") for number, device in enumerate(devices)]
        return f"{demo.name}: {compare(*answers)}"

    checks.check("demo", "tools", work)
