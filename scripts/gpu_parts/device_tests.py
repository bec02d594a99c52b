"""Our test programs on the device, alone and under compute-sanitizer."""
from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Optional

from gpu_parts.checks import Checks, Failure, Skip, end_of
from gpu_parts.machine import Machine, Tree, find_tool

ON_DEVICE = {"KVS_TEST_DEVICE": "cuda"}
# name, program, filter, environment
TESTS = (("make_backend", "make_backend_test", "*", {}),
         ("backend", "backend_test", "*/cuda", {}),
         ("attention", "attention_test", "*/cuda", {}),
         ("parity", "device_parity_test", "*", {}),
         ("families", "transformer_test", "*", ON_DEVICE),
         ("embedder", "model_files_test", "BertEmbeddings.*", ON_DEVICE),
         ("minilm", "minilm_test", "*", ON_DEVICE),
         ("smollm2", "smollm2_test", "*-SmolLm2Parity.*", ON_DEVICE),
         ("smollm2-bf16", "smollm2_test", "SmolLm2Parity.*", ON_DEVICE))
MODELS = {"minilm": "minilm", "smollm2": "smollm2", "smollm2-bf16": "smollm2"}  # that tests need
TEST_LIMIT = 600  # seconds of one program

# What is small enough for a tool that makes kernels a hundred times slower.
SMALL = {
    "backend": ("RmsNorm", "LayerNorm", "Gelu", "Swiglu", "Embed", "PackKv", "RandomRowsTest", "TopLogits"),
    "matmul": ("Matmul.RoundsAtMostToBf16", "Matmul.AddsBias", "Matmul.TakesRows"),
    "attention": ("Attention.UsesTiles", "Attention.ReadsHundreds", "Attention.ReadsASequenceOfOneRow",
                  "Attention.HonoursTheWindow", "WriteKv", "MoveKv", "KvDeviation", "AttentionMass.Honours", "Steps"),
}
PROGRAMS = {"backend": "backend_test", "matmul": "backend_test", "attention": "attention_test"}
# Only shared memory can race, and cuBLAS's is not ours to judge.
TOOLS = {"memcheck": ("backend", "matmul", "attention"), "racecheck": ("backend", "attention"),
         "synccheck": ("backend", "attention")}
# Libraries try calls that may fail; what two streams do with one piece of memory is ours to judge.
MORE = {"memcheck": ("--report-api-errors", "no", "--track-stream-ordered-races", "all")}
SANITIZE_LIMIT = 400


def filter_of(names: tuple) -> str:
    return ":".join(f"On/{name}*/cuda" for name in names)


def judge(report: Path, code: int, log: Path) -> str:
    """A word on a report of gtest. Throws Failure where a test failed, none ran, or the program ended early."""
    if not report.exists():
        raise Failure(f"{end_of(code)} before all tests were done, see {log.name}")
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    failed = [f"{case.get('classname')}.{case.get('name')}" for case in cases if case.find("failure") is not None]
    skipped = Counter((case.find("skipped").get("message") or "no reason").split("\n")[-1]
                      for case in cases if case.find("skipped") is not None)
    if failed:
        raise Failure(f"{len(failed)} of {len(cases)} tests failed: {', '.join(failed[:3])}, see {log.name}")
    if code != 0:
        raise Failure(f"{end_of(code)} though no test failed, see {log.name}")
    ran = sum(case.get("result") == "completed" for case in cases)
    found = [f"{own.get('name')} {own.get('value')}" for case in cases for own in case.iter("property")]
    reasons = "; ".join(found + [f"{count} skipped: {reason}" for reason, count in skipped.items()])
    if ran == 0:
        raise Failure(f"no test ran: {reasons or 'the filter matches none'}")
    return f"{ran} tests" + (f"; {reasons}" if reasons else "")


class DeviceTests:
    def __init__(self, checks: Checks, machine: Machine, tree: Tree):
        self.checks, self.machine, self.tree = checks, machine, tree

    def run_tests(self, step: str, name: str, program: str, chosen: str, limit: float,
                  environment: Optional[dict] = None, prefix: tuple = ()) -> bool:
        path, log = self.tree.tests / program, self.checks.log(step, name)
        report = self.checks.out / f"{step}-{name}.xml"

        def work() -> str:
            if self.machine.no_device:
                raise Skip(self.machine.no_device)
            if not os.access(path, os.X_OK):
                raise Failure(f"{path} is not here")
            command = [*prefix, path, f"--gtest_filter={chosen}", f"--gtest_output=xml:{report}"]
            code = self.checks.execute(command, limit, log, {**self.tree.environment(), **(environment or {})})
            return judge(report, code, log)

        return self.checks.check(step, name, work)

    def test(self) -> None:
        for name, program, chosen, environment in TESTS:
            model = MODELS.get(name)
            if model and not self.machine.no_device and not (self.tree.models / model).is_dir():
                self.checks.skip("test", name, f"{model} is not in {self.tree.models}")
            else:
                self.run_tests("test", name, program, chosen, TEST_LIMIT, environment)
        if self.tree.module:
            self.checks.check("test", "module", self.loads_the_new_module)

    def loads_the_new_module(self) -> str:
        """That what was tested is what was made here."""
        if self.machine.no_device:
            raise Skip(self.machine.no_device)
        log = self.checks.log("test", "module")
        self.checks.require([self.tree.tests / "make_backend_test"], TEST_LIMIT, log,
                            {**self.tree.environment(), "LD_DEBUG": "files"})
        if f"calling init: {self.tree.module}" not in log.read_text(errors="replace"):
            raise Failure(f"{self.tree.module} is not the one that is loaded, see {log.name}")
        return "the tests ran on the module made here"

    def sanitize(self) -> None:
        sanitizer = find_tool("compute-sanitizer")
        for tool, parts in TOOLS.items():
            reason = self.refusal(sanitizer, tool)
            if reason:
                self.checks.skip("sanitize", tool, reason)
                continue
            for part in parts:
                self.run_tests("sanitize", f"{tool}-{part}", PROGRAMS[part], filter_of(SMALL[part]), SANITIZE_LIMIT,
                               prefix=(sanitizer, "--tool", tool, "--error-exitcode", "9", *MORE.get(tool, ())))

    def refusal(self, sanitizer: Optional[str], tool: str) -> str:
        """Why the tool cannot be used; empty where it can, or where that is a failure for the tests to show."""
        if self.machine.no_device:
            return self.machine.no_device
        if not sanitizer:
            return "compute-sanitizer is not on this machine"
        log = self.checks.log("sanitize", f"{tool}-trial")
        try:
            self.checks.execute([sanitizer, "--tool", tool, self.tree.tests / "backend_test",
                                 "--gtest_filter=On/AnyBackend.KeepsWhatIsUploaded/cuda"], 120, log,
                                self.tree.environment())
        except Skip as reason:
            return str(reason)
        except Failure:
            return ""
        words = log.read_text(errors="replace").lower()
        if "not supported" in words or "unable to" in words:
            return f"it refuses the device, see {log.name}"
        return ""
