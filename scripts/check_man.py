#!/usr/bin/env python3
"""Compares each tool's manual page with its --help: both must name the same options and subcommands.

Where mandoc is installed, all pages must be free of its warnings too. Run by ctest.
"""
import argparse
import re
import subprocess
import sys
from pathlib import Path

MAN = Path(__file__).resolve().parent.parent / "man"


def ask(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def help_of(tool: Path) -> tuple[set[str], set[str]]:
    """The tool's options and subcommands, those of its subcommands included."""
    text = ask(str(tool), "--help")
    subcommands = set(re.findall(r"^  ([a-z]+)  ", text.partition("\nSubcommands:\n")[2], re.M))
    for name in subcommands:
        text += ask(str(tool), name, "--help")
    options = set()
    for names in re.findall(r"^  (-[^ ]*)", text, re.M):
        options |= set(names.split(","))
    return options, subcommands


def page_of(source: str) -> tuple[set[str], set[str]]:
    """What the page describes: options in lists, `.It Fl m , -model Ar MODEL`; subcommands as `.Cm build`."""
    options, subcommands = set(), set()
    for item in re.findall(r"^\.It (.*)$", source, re.M):
        words = item.split()
        if words[0] == "Fl":
            options |= {"-" + word.lstrip("\\&") for word in re.findall(r"(?:^|, )(?:Fl )?(-?[A-Za-z][\w-]*)", item[3:])}
    subcommands |= set(re.findall(r"^\.(?:It|Nm\n\.)[ ]?Cm ([a-z]+)$", source, re.M))
    return options, subcommands


def differences(name: str, what: str, helped: set[str], paged: set[str]) -> list[str]:
    return ([f"{name}.1 does not describe {what} {word}" for word in sorted(helped - paged)] +
            [f"{name}.1 describes {what} {word}, which {name} has not" for word in sorted(paged - helped)])


def check_tool(tool: Path) -> list[str]:
    page = MAN / f"{tool.name}.1"
    if not page.exists():
        return [f"{tool.name} has no manual page"]
    options, subcommands = help_of(tool)
    page_options, page_subcommands = page_of(page.read_text())
    return (differences(tool.name, "option", options, page_options) +
            differences(tool.name, "subcommand", subcommands, page_subcommands))


def lint(mandoc: str, page: Path) -> list[str]:
    done = subprocess.run([mandoc, "-T", "lint", "-W", "warning", str(page)], capture_output=True, text=True)
    return [line for line in (done.stdout + done.stderr).splitlines() if line]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=Path, required=True, help="where the tools are")
    parser.add_argument("--mandoc", default="", help="the program; empty where there is none")
    parser.add_argument("tools", nargs="*")
    arguments = parser.parse_args()
    faults = [fault for tool in arguments.tools for fault in check_tool(arguments.bin / tool)]
    pages = sorted(MAN.glob("*.[1-9]"))
    if arguments.mandoc:
        faults += [fault for page in pages for fault in lint(arguments.mandoc, page)]
    else:
        print("mandoc is not installed: the pages are not checked for mistakes of form")
    print("\n".join(faults) or f"{len(pages)} manual pages: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
