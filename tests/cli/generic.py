#!/usr/bin/env python3
"""Tries on one tool what every tool must do alike; see README.md."""
import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from run import DATA, environment

MODEL = DATA / "stories260K.gguf"

# How each tool is called so that it reads a model ("model") and also an input ("input"), and what must be there
# before ("setup"); {out} must not be left behind when it fails. A tool without an entry fails the test.
INDEX = f"kvs-embed -m {MODEL} good.jsonl | kvs-index build -q -o idx"
COMMANDS: dict[str, dict[str, str]] = {
    "kvs-sample": {"input": "kvs-sample -o {out} {input}"},
    "kvs-embed": {"input": "kvs-embed --kv -m {model} -o {out} {input}"},
    "kvs-index": {"setup": INDEX, "input": "kvs-index search -m {model} --index idx {input}"},
    "kvs-align": {"setup": INDEX, "input": "kvs-align -m {model} --index idx {input}"},
    "kvs-serve": {"input": "kvs-serve run -m {model} --threads 1 {input} > answers"},
    "kvs-eval": {"model": "kvs-eval bench -m {model} --json {out}"},
}


class Checks:
    """Runs the tool in an empty folder and gathers what is wrong."""

    def __init__(self, tool: str, bin_folder: Path):
        self.tool = tool
        self.bin = bin_folder
        self.faults: list[str] = []
        self.count = 0

    def run(self, command: str, folder: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", "-c", command], cwd=folder, env=environment(self.bin, folder),
                              stdin=options.pop("stdin", subprocess.DEVNULL), timeout=60, text=True,
                              stdout=options.pop("stdout", subprocess.PIPE), stderr=subprocess.PIPE, **options)

    def expect(self, what: str, good: bool, done: subprocess.CompletedProcess) -> None:
        self.count += 1
        if not good:
            self.faults.append(f"{what}: exit {done.returncode}, stdout {(done.stdout or '')[:200]!r}, "
                               f"stderr {done.stderr[:400]!r}")

    def expect_error(self, what: str, done: subprocess.CompletedProcess, says: str = "", lines: int = 1) -> None:
        said = done.stderr.splitlines()
        good = (done.returncode == 2 and len(said) == lines and said[0].startswith(self.tool + ": ")
                and "internal error" not in done.stderr and re.search(says, said[0]))
        self.expect(what, bool(good), done)


def check_help(checks: Checks, folder: str) -> None:
    done = checks.run(f"{checks.tool} --help", folder)
    checks.expect("--help", done.returncode == 0 and "Usage: " in done.stdout and not done.stderr, done)
    subcommands = re.findall(r"^  ([a-z]+)  ", done.stdout.partition("\nSubcommands:\n")[2], re.M)
    for name in subcommands:
        sub = checks.run(f"{checks.tool} {name} --help", folder)
        checks.expect(f"{name} --help", sub.returncode == 0 and f"{checks.tool} {name}" in sub.stdout, sub)
    done = checks.run(f"{checks.tool} --version", folder)
    checks.expect("--version", bool(re.fullmatch(rf"{checks.tool} \d+\.\d+\.\d+\n", done.stdout)), done)
    done = checks.run(f"{checks.tool} --no-such-option", folder)
    checks.expect_error("an unknown option", done, "unknown option: --no-such-option$", lines=2)


def check_generated(checks: Checks, folder: str) -> None:
    done = checks.run(f"source <({checks.tool} --generate complete-bash) && complete -p {checks.tool}", folder)
    checks.expect("complete-bash", done.returncode == 0 and not done.stderr, done)
    for shell in ("zsh", "fish"):
        done = checks.run(f"{checks.tool} --generate complete-{shell}", folder)
        checks.expect(f"complete-{shell}", done.returncode == 0 and "--" in done.stdout or "-l" in done.stdout, done)
    if checks.tool != "kvs-sample":
        done = checks.run(f"{checks.tool} --generate man", folder)
        checks.expect("man", done.returncode == 0 and f".Nm {checks.tool}" in done.stdout, done)


def check_no_arguments(checks: Checks, folder: str) -> None:
    done = checks.run(checks.tool, folder)
    good = done.returncode in {0, 2} and len(done.stderr.splitlines()) <= 2 and "internal" not in done.stderr
    checks.expect("no arguments", good, done)


def check_output(checks: Checks, folder: str) -> None:
    done = checks.run(f"{checks.tool} --help > /dev/full", folder)
    checks.expect_error("a full disk", done, "standard output: No space left on device$")
    reader, writer = os.pipe()
    os.close(reader)
    done = checks.run(f"{checks.tool} --help", folder, stdout=writer)
    os.close(writer)
    checks.expect("a closed pipe", done.returncode == 0 and not done.stderr, done)


def truncated_model() -> bytes:
    return MODEL.read_bytes()[:200_000]


def absurd_model() -> bytes:
    """The first dimension of the first tensor becomes 2^62."""
    data = bytearray(MODEL.read_bytes())
    name = b"token_embd.weight"
    at = data.index(name) + len(name) + 4
    data[at:at + 8] = (1 << 62).to_bytes(8, "little")
    return bytes(data)


BAD_MODELS = {
    "missing.gguf": None,
    "empty.gguf": b"",
    "text.gguf": b"This is no model.\n" * 100,
    "truncated.gguf": truncated_model,
    "absurd.gguf": absurd_model,
    "folder.gguf": "folder",
}
LINES = [f'{{"prompt":"Once upon a time {n}","max_tokens":1}}\n' for n in range(10)]
BAD_INPUTS = {  # name, content, what the message says
    "missing.jsonl": (None, "missing.jsonl: No such file or directory"),
    "folder.jsonl": ("folder", "folder.jsonl: Is a directory"),
    "utf8.jsonl": ("".join(LINES[:2]).encode() + b'{"prompt":"\xff"}\n', r"utf8.jsonl:3: not valid UTF-8"),
    "broken.jsonl": ("".join(LINES[:6] + ['{"prompt":\n'] + LINES[7:]).encode(), r"broken.jsonl:7: not valid JSON"),
}


def write(folder: str, name: str, content) -> None:
    path = Path(folder) / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content() if callable(content) else content)


def check_bad(checks: Checks, what: str, command: str, says: str, name: str, content) -> None:
    with tempfile.TemporaryDirectory(prefix="kvs-generic-") as folder:
        (Path(folder) / "good.jsonl").write_text("".join(LINES[:2]))
        checks.run(COMMANDS[checks.tool].get("setup", "true"), folder).check_returncode()
        write(folder, name, content)
        done = checks.run(command, folder)
        checks.expect_error(f"{what} {name}", done, says)
        left = {file.name for file in Path(folder).iterdir()} - {"good.jsonl", name, "answers", "idx"}
        checks.expect(f"{what} {name}: leaves {sorted(left)}", not left, done)


def check_bad_files(checks: Checks) -> None:
    command = COMMANDS[checks.tool].get("input", "")
    reads_model = command if "{model}" in command else COMMANDS[checks.tool].get("model")
    if reads_model:
        for name, content in BAD_MODELS.items():
            check_bad(checks, "model", reads_model.format(model=name, input="good.jsonl", out="out"),
                      re.escape(name) + ": ", name, content)
    if command and checks.tool != "kvs-sample":
        for name, (content, says) in BAD_INPUTS.items():
            check_bad(checks, "input", command.format(model=MODEL, input=name, out="out"), says, name, content)


def check_interrupt(checks: Checks, folder: str) -> None:
    command = COMMANDS[checks.tool].get("input")
    if not command:
        return
    (Path(folder) / "good.jsonl").write_text("".join(LINES[:2]))
    checks.run(COMMANDS[checks.tool].get("setup", "true"), folder).check_returncode()
    reader, writer = os.pipe()
    process = subprocess.Popen(["bash", "-c", "exec " + command.format(model=MODEL, input="-", out="out")],
                               cwd=folder, env=environment(checks.bin, folder), stdin=reader, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    os.close(reader)
    os.close(writer)
    done = subprocess.CompletedProcess(command, process.returncode, out, err)
    checks.expect("Ctrl-C", done.returncode == 130 and not done.stderr, done)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where the tools are")
    parser.add_argument("tool")
    arguments = parser.parse_args()
    checks = Checks(arguments.tool, arguments.bin.resolve())
    with tempfile.TemporaryDirectory(prefix="kvs-generic-") as folder:
        for check in (check_help, check_generated, check_no_arguments, check_output, check_interrupt):
            check(checks, folder)
    check_bad_files(checks)
    print("\n".join(checks.faults) or f"{arguments.tool}: {checks.count} checks passed")
    return 1 if checks.faults else 0


if __name__ == "__main__":
    sys.exit(main())
