#!/usr/bin/env python3
"""Runs scripts/gpu-check where it finds no device, or one that our programs do not find, and its parts over the tools
on the CPU. Run by ctest. usage: gpu_check_test.py BIN"""
import json
import os
import re
import runpy
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

from gpu_parts import bench, demo, device_tests  # noqa: E402: behind the path
from gpu_parts.checks import Checks, Failure  # noqa: E402
from gpu_parts.machine import Machine, Tree  # noqa: E402

STEPS = ["build", "test", "sanitize", "demo", "bench"]
KEYS = ["device", "date", "commit", "cpu", "cuda", "bench", "peers", "edits", "checks"]


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gpu-check-")
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name)
        self.path = self.out / "path"
        self.path.mkdir()
        self.checks = Checks(self.out, 10)

    def say_device(self, script: str) -> dict:
        """The environment in which nvidia-smi says that, and our programs find no device."""
        smi = self.path / "nvidia-smi"
        smi.write_text(f"#!/bin/sh\n{script}\n")
        smi.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if name not in ("CUDAARCHS", "CXX")}
        return {**kept, "PATH": f"{self.path}:{kept['PATH']}", "KVS_BIN": str(BIN), "CUDA_VISIBLE_DEVICES": "",
                "KVS_MODELS": str(self.out / "models"), "PYTHONDONTWRITEBYTECODE": "1"}

    def gpu_check(self, environment: dict, *options: str, scripts: Path = SCRIPTS, code: int = 1) -> dict:
        done = subprocess.run([sys.executable, scripts / "gpu-check", "--out", "result", *options], cwd=self.out,
                              env=environment, capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        result = json.loads((self.out / "result" / "gpu.json").read_text())
        self.assertEqual(list(result), KEYS)
        return result

    def test_skips_everything_without_a_device_twice_in_a_row(self):
        environment = self.say_device("exit 9")
        own, old = self.out / "result" / "CMakePresets.json", self.out / "result" / "bench-old.json"
        own.parent.mkdir()
        for file in (own, old):
            file.write_text("{}")
        for _ in range(2):
            result = self.gpu_check(environment)
            self.assertEqual((own.exists(), old.exists()), (True, False))
            self.assertEqual(list(dict.fromkeys(check["step"] for check in result["checks"])), STEPS)
            self.assertEqual({(check["result"], check["detail"]) for check in result["checks"]},
                             {("skipped", "nvidia-smi finds no device")})
            self.assertIsNone(result["device"])
            self.assertTrue(result["date"] and result["commit"] and result["cpu"])

    def test_fails_where_no_test_finds_the_device(self):
        environment = self.say_device('echo "Some GPU, 580.65, 1000 MiB"')
        result = self.gpu_check(environment, "--only", "test")
        self.assertEqual(result["device"], "Some GPU, 580.65, 1000 MiB")
        checks = {check["name"]: check for check in result["checks"]}
        for name in ("minilm", "smollm2", "smollm2-bf16"):
            self.assertEqual(checks[name]["result"], "skipped")
        for name in ("backend", "attention", "parity", "families", "embedder"):
            self.assertEqual(checks[name]["result"], "failed", checks[name])
        self.assertRegex(checks["backend"]["detail"], "^no test ran: [0-9]+ skipped: no ")

    def test_passes_in_a_bundle_whose_tests_pass(self):
        """Programs that say what they find take the place of the tests: they need no device."""
        bundle = self.out / "bundle"
        (bundle / "tests" / "bin").mkdir(parents=True)
        (bundle / "tests" / "data").mkdir()
        subprocess.run([SCRIPTS / "pack-gpu-check", bundle], check=True)
        for name, program, *_ in device_tests.TESTS:
            file = bundle / "tests" / "bin" / program
            file.write_text("#!/bin/sh\n[ -d tests/data ] || exit 3\n"
                            "echo '<a><testcase result=\"completed\"/></a>' > \"${2#--gtest_output=xml:}\"\n")
            file.chmod(0o755)
        environment = self.say_device('echo "Some GPU, 580.65, 1000 MiB"')
        environment.pop("KVS_BIN")
        result = self.gpu_check(environment, "--only", "test", scripts=bundle / "scripts", code=0)
        self.assertEqual([check["result"] for check in result["checks"]], ["passed"] * 6 + ["skipped"] * 3)
        self.assertIn("1 tests", result["checks"][1]["detail"])

    def test_begins_nothing_when_the_time_is_over(self):
        result = self.gpu_check(self.say_device('echo "Some GPU, 580.65, 1000 MiB"'), "--minutes", "0")
        self.assertEqual({check["result"] for check in result["checks"]}, {"skipped"})

    def test_refuses_wrong_usage(self):
        for options in ([], ["--out", self.out, "--only", "all"]):
            self.assertEqual(subprocess.run([sys.executable, SCRIPTS / "gpu-check", *options],
                                            capture_output=True).returncode, 2)

    def test_a_check_that_hangs_has_failed(self):
        begun = time.monotonic()
        self.checks.run("test", "hang", ["sh", "-c", "sleep 60 & wait"], 0.2)
        self.checks.run("test", "signal", ["sh", "-c", "kill -9 $$"], 60)
        self.checks.run("test", "words", ["sh", "-c", "echo one; echo why >&2; exit 3"], 60)
        self.assertEqual([check["result"] for check in self.checks.results], ["failed"] * 3)
        self.assertIn("not done after", self.checks.results[0]["detail"])
        self.assertIn("signal 9", self.checks.results[1]["detail"])
        self.assertEqual(self.checks.results[2]["detail"], "exit 3: why, see test-words.log")
        self.assertLess(time.monotonic() - begun, 30)

    def test_a_check_that_the_end_cuts_off_is_skipped(self):
        checks = Checks(self.out, 0.005)
        checks.run("test", "cut", ["sleep", "60"], 600)
        self.assertEqual(checks.results[0]["result"], "skipped")

    def judge(self, *options: str) -> str:
        report = self.out / "report.xml"
        log = self.out / "log"
        code = self.checks.execute([BIN / "backend_test", f"--gtest_output=xml:{report}", *options], 60, log)
        return device_tests.judge(report, code, log)

    def test_counts_the_tests_that_ran(self):
        self.assertEqual(self.judge("--gtest_filter=On/Gelu.*/cpu_portable"), "3 tests")
        with self.assertRaisesRegex(Failure, "the filter matches none"):
            self.judge("--gtest_filter=Nothing*")
        report = self.out / "figure.xml"
        report.write_text('<a><testcase name="b" result="completed"><properties><property name="top1" '
                          'value="99.5 %"/></properties></testcase></a>')
        self.assertEqual(device_tests.judge(report, 0, self.out / "log"), "1 tests; top1 99.5 %")
        with self.assertRaisesRegex(Failure, "exit 1 before all tests were done"):
            device_tests.judge(self.out / "none.xml", 1, self.out / "log")

    def test_the_sanitizers_filters_match_tests(self):
        for part, names in device_tests.SMALL.items():
            for name in names:
                listed = subprocess.run([BIN / device_tests.PROGRAMS[part], "--gtest_list_tests",
                                         f"--gtest_filter={device_tests.filter_of((name,))}"], capture_output=True)
                self.assertIn(b"\n  ", listed.stdout, name)

    def tree(self) -> Tree:
        os.environ.update(KVS_BIN=str(BIN), KVS_MODELS=str(self.out / "models"))
        return Tree(SCRIPTS.parent)

    def machine(self) -> Machine:
        machine = Machine()
        machine.no_device = ""
        return machine

    def test_packs_all_that_the_module_is_made_from(self):
        pack = self.out / "pack"
        subprocess.run([SCRIPTS / "pack-gpu-check", pack], check=True)
        self.assertTrue((pack / "commit").read_text().strip())
        sources = runpy.run_path(str(pack / "scripts" / "build-cuda"))["sources"]()
        kernels, backend = ((SCRIPTS.parent / folder / "CMakeLists.txt").read_text()
                            for folder in ("kernels/cuda", "lib/backend"))
        module = backend[backend.index("kvs_kernels_cuda)\n"):]
        self.assertEqual(sorted(file.name for file in sources),
                         sorted(re.findall(r"\w+\.cu\b", kernels) + re.findall(r"\w+\.cpp\b", module)))

        folders = [pack / folder for folder in ("", "lib", "lib/include", "include")]
        met, files = set(), list(sources)
        while files:
            includes = set(re.findall(r'^#include ["<]([^">]+/[^">]+)[">]', files.pop().read_text(), re.M)) - met
            met |= includes
            for include in includes:
                found = [folder / include for folder in folders if (folder / include).exists()]
                self.assertTrue(found or include.startswith("sys/"), include)
                files += [file for file in found[:1] if "fmt" not in file.parts]

    def test_finds_an_installed_model(self):
        tree, folder = self.tree(), self.out / "models" / "smollm2"
        folder.mkdir(parents=True)
        (folder / "any.gguf").symlink_to(SCRIPTS.parent / "tests" / "data" / "stories260K.gguf")
        tried = demo.Demo(self.checks, tree, self.out / "log")
        self.assertEqual(tried.name, "SmolLM2")
        tried.tool("kvs-embed", *tried.model, "--tokenize", tried.folder / "policy.txt", output=self.out / "tokens")
        self.assertIn('"tokens"', (self.out / "tokens").read_text())

    def test_compares_two_devices(self):
        demo.run_demo(self.checks, self.machine(), self.tree(), ("cpu", "cpu"))
        result = self.checks.results[0]
        self.assertEqual(result["result"], "passed", result)
        self.assertRegex(result["detail"], r"stories260K: [1-9]\d* tokens of answers equal, [1-9]\d* tokens reused")

    def test_notices_another_answer_and_other_reuse(self):
        counts = dict.fromkeys(demo.COUNTS, 1)
        answers = {"naive": [{"id": "a", "tokens": [1, 2], "kvshare": counts}]}
        with self.assertRaisesRegex(Failure, "naive, request a: answers differ from token 1 on"):
            demo.compare(answers, {"naive": [{"id": "a", "tokens": [1, 3], "kvshare": counts}]})
        with self.assertRaisesRegex(Failure, "naive, request a: expected reuse"):
            demo.compare(answers, {"naive": [{"id": "a", "tokens": [1, 2], "kvshare": {**counts, "exact": 2}}]})
        with self.assertRaisesRegex(Failure, "expected 1 answers, found 0"):
            demo.compare(answers, {"naive": []})

    def test_times_edited_prompts_by_policy(self):
        files = bench.make_edits(self.tree(), self.out / "edits", 256, vocab=512)
        prompts = [[json.loads(line)["tokens"] for line in file.read_text().splitlines()] for file in files]
        again = bench.make_edits(self.tree(), self.out / "again", 256, vocab=512)
        self.assertEqual(*([file.read_bytes() for file in made] for made in (files, again)))
        for first, *others in prompts:
            self.assertEqual({len(prompt) for prompt in others}, {len(first)})
            self.assertLess(max(first), 512)
        edit, moved = prompts
        self.assertEqual([sum(map(int.__ne__, edit[0], other)) for other in edit[1:]], [2, 2])  # 1 % of 224
        self.assertEqual([sorted(other) for other in moved[1:]], [sorted(moved[0])] * 2)
        self.assertNotIn(moved[0], moved[1:])

        detail = self.out / "detail.jsonl"
        subprocess.run([BIN / "kvs-eval", "run", "-q", "-m", SCRIPTS.parent / "tests/data/stories260K.gguf",
                        "--no-noise", "--no-answers", "--policy", "naive,kvshare", "--budget", "0.02,0.1",
                        "--kv-memory", "100", "--detail", detail, "--workload", *files], check=True,
                       stdout=subprocess.DEVNULL, env={**os.environ, "XDG_CACHE_HOME": str(self.out)})
        rows = bench.rows_of(detail)
        self.assertEqual([(row["workload"], row["policy"], row["budget"]) for row in rows],
                         [(name, policy, budget) for name in ("edit-256", "moved-256")
                          for policy, budget in (("full", None), ("naive", None), ("kvshare", None),
                                                 ("kvshare", 0.02), ("kvshare", 0.1))])
        for naive in (rows[1], rows[6]):
            self.assertGreater(naive["hit_rate"], 0.9)
        self.assertRegex(bench.say(rows), r"edit-256: 2% [\d.]+x, 10% [\d.]+x; moved-256: ")
        self.assertTrue(all(row["ttft_ms"] > 0 for row in rows))

    def test_refuses_edits_that_cannot_be_made(self):
        for options in (["--lengths", "5"], ["--lengths", "x"], ["--vocab", "0"], ["--prompts", "0"]):
            done = subprocess.run([sys.executable, SCRIPTS / "make-edits", "--out", self.out, *options],
                                  capture_output=True, text=True)
            self.assertEqual(done.returncode, 2)
            self.assertIn(f"{options[0]}: expected", done.stderr.splitlines()[-1])


if __name__ == "__main__":
    BIN = Path(sys.argv.pop(1)).resolve()
    unittest.main()
