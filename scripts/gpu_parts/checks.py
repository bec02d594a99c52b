"""Runs checks one after another and keeps what came of them."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Optional


class Failure(Exception):
    """Says what is wrong, in one line."""


class Skip(Exception):
    """Says why something cannot be checked here."""


class Checks:
    def __init__(self, out: Path, minutes: float):
        self.out, self.minutes = out, minutes
        self.end = time.monotonic() + 60 * minutes
        self.results: list[dict] = []

    def left(self) -> float:
        return self.end - time.monotonic()

    def note(self, step: str, name: str, result: str, detail: str) -> bool:
        """Whether the check passed."""
        self.results.append({"step": step, "name": name, "result": result, "detail": detail})
        self.write_results({})  # whoever ends the run early still has them
        print(line_of(self.results[-1]), file=sys.stderr, flush=True)
        return result == "passed"

    def skip(self, step: str, name: str, reason: str) -> bool:
        return self.note(step, name, "skipped", reason)

    def log(self, step: str, name: str) -> Path:
        return self.out / f"{step}-{name}.log"

    def check(self, step: str, name: str, work: Callable[[], str]) -> bool:
        """The work returns a word on what was found, or throws Failure or Skip."""
        begun = time.monotonic()
        try:
            if self.left() <= 0:
                raise Skip(self.no_time())
            found = work()
            seconds = f"{time.monotonic() - begun:.0f} s"
            return self.note(step, name, "passed", f"{seconds}: {found}" if found else seconds)
        except Skip as reason:
            return self.skip(step, name, str(reason))
        except (Failure, OSError, ValueError, LookupError, subprocess.SubprocessError) as error:
            text = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
            return self.note(step, name, "failed", " ".join(text.split()))

    def no_time(self) -> str:
        return f"no time left of {self.minutes:g} minutes"

    def execute(self, command: list, limit: float, log: Path, environment: Optional[dict] = None,
                output: Optional[Path] = None) -> int:
        """The exit code; what the command says is added to the log, its standard output goes to `output` where that is
        named. A command that takes longer than `limit` seconds has failed; one that the end of the whole run cuts off
        is skipped."""
        allowed = min(limit, self.left())
        if allowed <= 0:
            raise Skip(self.no_time())
        with log.open("ab") as words, (output or log).open("wb" if output else "ab") as results:
            process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=results,
                                       stderr=words, env={**os.environ, **(environment or {})},
                                       start_new_session=True)
            try:
                return process.wait(allowed)
            except subprocess.TimeoutExpired:
                stop(process)
            except BaseException:
                stop(process)
                raise
        if allowed < limit:
            raise Skip(self.no_time())
        raise Failure(f"not done after {limit:.0f} s, see {log.name}")

    def require(self, command: list, limit: float, log: Path, environment: Optional[dict] = None,
                output: Optional[Path] = None) -> None:
        code = self.execute(command, limit, log, environment, output)
        if code != 0:
            raise Failure(f"{end_of(code)}{last_words(log)}, see {log.name}")

    def run(self, step: str, name: str, command: list, limit: float, environment: Optional[dict] = None) -> bool:
        def work() -> str:
            self.require(command, limit, self.log(step, name), environment)
            return ""

        return self.check(step, name, work)

    def write_results(self, about: dict) -> None:
        (self.out / "gpu.json").write_text(json.dumps({**about, "checks": self.results}, indent=1) + "\n")

    def write(self, about: dict) -> int:
        """gpu.json and the table, which is printed too; the exit code of the whole run."""
        self.write_results(about)
        counts = {kind: sum(check["result"] == kind for check in self.results)
                  for kind in ("passed", "failed", "skipped")}
        table = "".join(line_of(check) + "\n" for check in self.results)
        table += ", ".join(f"{count} {kind}" for kind, count in counts.items()) + "\n"
        (self.out / "table.txt").write_text(table)
        print(table, end="")
        return 1 if counts["failed"] or not counts["passed"] else 0


def line_of(check: dict) -> str:
    return f"{check['step']:<9} {check['name']:<28} {check['result']:<8} {check['detail']}"


def end_of(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"ended by signal {-code}"


def last_words(log: Path) -> str:
    """The last line of a log, where there is one: most often the reason."""
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    words = [line.strip() for line in lines if line.strip()]
    return f": {words[-1][-200:]}" if words else ""


def stop(process: subprocess.Popen) -> None:
    """Ends it and what it started. One that a device holds may stay: nothing waits for it any longer."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        pass
