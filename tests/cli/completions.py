#!/usr/bin/env python3
"""Types unfinished command lines into bash, zsh and fish, with the completions that a tool generates."""
import argparse
import os
import pty
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77  # the exit code by which ctest knows
LINES = {  # for each tool: what is typed, and what the Tab key makes of it
    "kvs-embed": [("--tok", "--tokenize"), ("list --js", "list --json")],
    "kvs-index": [("search --min-s", "search --min-similarity"), ("sea", "search")],
    "kvs-align": [("--min-sp", "--min-span"), ("--format d", "--format diff"), ("--app", "--apply")],
    "kvs-serve": [("run --prel", "run --preload"), ("run --cpu port", "run --cpu portable")],
    "kvs-eval": [("ben", "bench"), ("bench --js", "bench --json")],
    "kvs-sample": [("count --min-s", "count --min-span"), ("--cpu port", "--cpu portable")],
}
PROMPT = b"ready> "
TO_START, TO_END = "\x01", "\x05"  # Ctrl-A and Ctrl-E
SETUP = {
    "bash": "source complete.bash",
    "zsh": "autoload -Uz compinit; compinit -u -d $DUMP; {name}() {{ source $PWD/complete.zsh }}; compdef {name} {tool}",
}
SHELLS = {"bash": ["bash", "--norc", "--noprofile", "-i"], "zsh": ["zsh", "-f", "-i"]}


def typed(shell: str, lines: list[str], folder: str, env: dict[str, str]) -> list[str]:
    """What an interactive shell writes while these lines are typed, each when it is ready for it: between lines the
    terminal reads keys another way."""
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen(SHELLS[shell], stdin=terminal, stdout=terminal, stderr=terminal, cwd=folder, env=env,
                               start_new_session=True)
    os.close(terminal)
    output, seen = b"", 0
    try:
        while part := os.read(keyboard, 4096):
            output += part
            prompt = output.find(PROMPT, seen)
            if prompt >= 0 and lines:
                seen = len(output)
                os.write(keyboard, lines.pop(0).encode())
    except OSError:  # the shell is gone
        pass
    os.close(keyboard)
    process.wait()
    return output.decode(errors="replace").replace("\r", "\n").split("\n")


def completes_in_terminal(shell: str, tool: str, line: str, folder: str, env: dict[str, str]) -> list[str]:
    setup = SETUP[shell].format(tool=tool, name="_" + tool.replace("-", "_"))
    # The completed line is printed in place of being run.
    lines = [f"{setup}\n", f"{tool} {line}\t{TO_START}echo {TO_END}\n", "exit\n"]
    start = tool + " "
    return [text.strip()[len(start):] for text in typed(shell, lines, folder, env) if text.startswith(start)]


def completes_in_fish(tool: str, line: str, folder: str, env: dict[str, str]) -> list[str]:
    done = subprocess.run(["fish", "--no-config", "-c", f"source complete.fish; complete -C '{tool} {line}'"],
                          cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    before = line[:line.rfind(" ") + 1]
    return [before + text.split("\t")[0] for text in done.stdout.splitlines()]


def check(shell: str, tool: str, folder: str, env: dict[str, str]) -> int:
    """How many of a tool's lines are completed wrongly."""
    script = subprocess.run([tool, "--generate", f"complete-{shell}"], env=env, check=True, capture_output=True).stdout
    Path(folder, f"complete.{shell}").write_bytes(script)
    failed = 0
    for line, expected in LINES[tool]:
        found = (completes_in_fish(tool, line, folder, env) if shell == "fish"
                 else completes_in_terminal(shell, tool, line, folder, env))
        print(f"{'ok' if expected in found else 'FAIL'} {shell}: {tool} {line} -> {found}")
        failed += expected not in found
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where the tools are")
    parser.add_argument("shell", choices=["bash", "zsh", "fish"])
    parser.add_argument("tools", nargs="+", choices=list(LINES), metavar="TOOL")
    arguments = parser.parse_args()
    if not shutil.which(arguments.shell):
        print(f"skip: no {arguments.shell}")
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="kvs-complete-") as folder:
        env = {"PATH": f"{arguments.bin.resolve()}:{os.environ['PATH']}", "HOME": folder, "TERM": "dumb",
               "LC_ALL": "C.UTF-8", "PS1": PROMPT.decode(), "DUMP": f"{folder}/dump"}  # the dump saves zsh most of its start
        failed = sum(check(arguments.shell, tool, folder, env) for tool in arguments.tools)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
