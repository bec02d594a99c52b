#!/usr/bin/env python3
"""Runs CLI cases: files that hold a command and what it must do (see README.md)."""
import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SECTIONS = ("command", "needs", "exit", "slow", "stdout", "stderr", "files")
SKIPPED = 77  # the exit code by which ctest knows
DATA = Path(__file__).resolve().parent.parent / "data"


def parse(path: Path) -> dict[str, str]:
    case: dict[str, str] = {}
    name = None
    for line in path.read_text().splitlines():
        head = re.fullmatch(r"([a-z]+):(?: (\S.*))?", line)
        if head and head[1] in SECTIONS:
            name = head[1]
            case[name] = head[2] or ""
        elif name:
            case[name] += line + "\n"
        elif line and not line.startswith("#"):
            raise SystemExit(f"{path}: expected a section, found {line!r}")
    if "command" not in case:
        raise SystemExit(f"{path}: no command")
    return case


def environment(bin_folder: Path, home: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items()
            if not key.startswith(("KVS_", "XDG_")) and key not in {"NO_COLOR", "TERM"}}
    return kept | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": home, "DATA": str(DATA),
                   "LC_ALL": "C.UTF-8"}


def run(case: dict[str, str], bin_folder: Path) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="kvs-case-") as folder:
        done = subprocess.run(["bash", "-c", case["command"]], cwd=folder, stdin=subprocess.DEVNULL,
                              env=environment(bin_folder, folder), capture_output=True,
                              timeout=float(case.get("slow") or 30))
        files = sorted(str(file.relative_to(folder)) for file in Path(folder).rglob("*") if not file.is_dir())
    return {"exit": str(done.returncode), "stdout": done.stdout.decode(errors="backslashreplace"),
            "stderr": done.stderr.decode(errors="backslashreplace"), "files": "".join(f + "\n" for f in files)}


def matches(expected: list[str], found: list[str]) -> bool:
    if not expected:
        return not found
    if expected[0] == "...":
        return any(matches(expected[1:], found[skip:]) for skip in range(len(found) + 1))
    if not found:
        return False
    if expected[0].startswith("~ "):
        same = re.fullmatch(expected[0][2:], found[0]) is not None
    else:
        same = expected[0].replace("$DATA", str(DATA)) == found[0]
    return same and matches(expected[1:], found[1:])


def faults(case: dict[str, str], found: dict[str, str]) -> list[str]:
    out = []
    if found["exit"] != case.get("exit", "0"):
        out.append(f"exit code: expected {case.get('exit', '0')}, found {found['exit']}")
    for section in ("stdout", "stderr", "files"):
        if section == "files" and section not in case:
            continue
        expected = case.get(section, "").splitlines()
        lines = found[section].splitlines()
        if not matches(expected, lines):
            out += difflib.unified_diff(expected, lines, f"expected {section}", f"found {section}", lineterm="")
    return out


def update(path: Path, case: dict[str, str], found: dict[str, str]) -> None:
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    new = {"command": case["command"]} | {key: case[key] for key in ("needs", "slow") if key in case}
    new |= {"exit": found["exit"]} if found["exit"] != "0" else {}
    new |= {key: found[key] for key in ("stdout", "stderr") if found[key]}
    new |= {"files": found["files"]} if "files" in case else {}
    text = "".join(line + "\n" for line in comments)
    for key, value in new.items():
        text += f"{key}:\n{value}" if key in {"command", "stdout", "stderr", "files"} else f"{key}: {value}\n"
    path.write_text(text.replace(str(DATA), "$DATA"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where the tools are")
    parser.add_argument("--update", action="store_true", help="write what comes out into the cases")
    parser.add_argument("cases", nargs="+", type=Path)
    arguments = parser.parse_args()
    failed = skipped = 0
    for path in arguments.cases:
        case = parse(path)
        missing = [name for name in case.get("needs", "").split() if not shutil.which(name)]
        if missing:
            print(f"skip {path}: no {', '.join(missing)}")
            skipped += 1
            continue
        found = run(case, arguments.bin.resolve())
        if arguments.update:
            update(path, case, found)
            continue
        wrong = faults(case, found)
        print("\n".join([f"FAIL {path}", "$ " + case["command"].rstrip(), *wrong]) if wrong else f"ok {path}")
        failed += bool(wrong)
    return 1 if failed else SKIPPED if skipped == len(arguments.cases) else 0


if __name__ == "__main__":
    sys.exit(main())
