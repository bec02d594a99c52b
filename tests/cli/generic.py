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

# How each tool is called so that it reads a model, an input, an archive or an index; {out} must not be
# left behind when it fails. A tool without an entry fails the test.
COMMANDS: dict[str, list[str]] = {
    "kvs-sample": ["kvs-sample -o {out} {input}"],
    "kvs-embed": ["kvs-embed --kv -m {model} -o {out} {input}"],
    "kvs-index": ["kvs-index build -o {out} {archive}", "kvs-index search --index {index} -m {model} {input}"],
    "kvs-align": ["kvs-align --index {index} -m {model} {input}"],
    "kvs-serve": ["kvs-serve run -m {model} --policy epic --preload {archive} --index {index} --max-tokens 1 {input} > answers"],
    "kvs-eval": ["kvs-eval bench --repeats 1 -m {model} --json {out}",
                 "kvs-eval run --no-noise --max-tokens 1 -m {model} --workload {input} --json {out}",
                 "kvs-eval load --url http://127.0.0.1:1 --rate 1 --workload {input} --json {out}"],
}
# What Ctrl-C stops, where the last of these commands does not wait for its input.
LONG_COMMANDS = {"kvs-eval": "kvs-eval bench --repeats 1000 -m {model} --json {out}"}


class Checks:
    """Runs the tool in an empty folder and gathers what is wrong."""

    def __init__(self, tool: str, bin_folder: Path):
        self.tool = tool
        self.bin = bin_folder
        self.faults: list[str] = []
        self.count = 0

    def run(self, command: str, folder: str, **options) -> subprocess.CompletedProcess:
        return subprocess.run(["bash", "-c", command], cwd=folder, env=environment(self.bin, folder),
                              stdin=options.pop("stdin", subprocess.DEVNULL), timeout=120, text=True,
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


LINES = [f'{{"prompt":"Once upon a time {n}","max_tokens":1}}\n' for n in range(10)]
FOLDER = "folder"
BAD: dict[str, list[tuple]] = {  # for each kind of file: name, content, what the message says of it
    "model": [
        ("missing.gguf", None, "No such file or directory"),
        ("empty.gguf", b"", ""),
        ("folder.gguf", FOLDER, ""),
        ("text.gguf", b"This is no model.\n" * 100, ""),
        ("truncated.gguf", truncated_model, ""),
        ("absurd.gguf", absurd_model, ""),
    ],
    "input": [
        ("missing.jsonl", None, "No such file or directory"),
        ("folder.jsonl", FOLDER, "Is a directory"),
        ("utf8.jsonl", "".join(LINES[:2]).encode() + b'{"prompt":"\xff"}\n', "not valid UTF-8"),
        ("broken.jsonl", "".join(LINES[:6] + ['{"prompt":\n'] + LINES[7:]).encode(), "not valid JSON"),
    ],
    "archive": [
        ("missing.kva", None, "No such file or directory"),
        ("empty.kva", b"", ""),
        ("folder.kva", FOLDER, ""),
        ("text.kva", b"This is no archive.\n" * 100, ""),
    ],
    "index": [("missing", None, ""), ("index", FOLDER, "")],
}
PLACE = {"utf8.jsonl": ":3", "broken.jsonl": ":7"}  # the line that is named
GOOD = {"model": str(MODEL), "input": "good.jsonl", "archive": "good.kva", "index": "good.idx", "out": "out"}


def write(folder: str, name: str, content) -> None:
    path = Path(folder) / name
    if content == FOLDER:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content() if callable(content) else content)


def holds_bytes(path: Path) -> bool:
    files = [path, *path.rglob("*")]
    return any(file.is_file() and file.stat().st_size > 0 for file in files)


def make_good_files(checks: Checks, command: str, folder: str) -> None:
    (Path(folder) / GOOD["input"]).write_text("".join(LINES[:2]))
    if "{archive}" in command or "{index}" in command:
        done = checks.run(f"kvs-embed --kv -m {MODEL} -o good.kva good.jsonl && kvs-index build -o good.idx good.kva",
                          folder)
        checks.expect("making an archive and an index", done.returncode == 0, done)


def check_bad(checks: Checks, command: str, kind: str, folder: str) -> None:
    before = set(os.listdir(folder)) | {"answers"}
    for name, content, says in BAD[kind]:
        write(folder, name, content)
        done = checks.run(command.format(**GOOD | {kind: name}), folder)
        checks.expect_error(f"{kind} {name}", done, re.escape(name) + PLACE.get(name, "") + "[:/].*" + says)
        new = set(os.listdir(folder)) - before - {name}
        left = {entry for entry in new if holds_bytes(Path(folder) / entry)}
        checks.expect(f"{kind} {name}: leaves {sorted(left)}", not left, done)
        before |= new | {name}


def check_bad_files(checks: Checks, _: str) -> None:
    for command in COMMANDS[checks.tool]:
        with tempfile.TemporaryDirectory(prefix="kvs-generic-") as fresh:
            make_good_files(checks, command, fresh)
            for kind in BAD:
                if "{" + kind + "}" in command and (kind != "input" or checks.tool != "kvs-sample"):
                    check_bad(checks, command, kind, fresh)


def check_interrupt(checks: Checks, folder: str) -> None:
    command = LONG_COMMANDS.get(checks.tool, COMMANDS[checks.tool][-1])
    make_good_files(checks, command, folder)
    reader, writer = os.pipe()
    process = subprocess.Popen(["bash", "-c", "exec " + command.format(**GOOD | {"input": "-"})],
                               cwd=folder, env=environment(checks.bin, folder), stdin=reader, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        process.communicate(timeout=2)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
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
        for check in (check_help, check_generated, check_no_arguments, check_output, check_bad_files, check_interrupt):
            check(checks, folder)
    print("\n".join(checks.faults) or f"{arguments.tool}: {checks.count} checks passed")
    return 1 if checks.faults else 0


if __name__ == "__main__":
    sys.exit(main())
