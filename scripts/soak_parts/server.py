"""A server of a part's own, and what every part asks of it."""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE_S = 120


class Failure(Exception):
    """What a part found wrong, in one line."""


def wait_for(what: str, found, patience_s: float = PATIENCE_S) -> None:
    end = time.monotonic() + patience_s
    while not found():
        if time.monotonic() > end:
            raise Failure(f"waited {patience_s:.0f} s in vain for {what}")
        time.sleep(0.05)


class Server:
    """kvs-serve http. Where a part was content, it must be whole and clean at the end too: nothing under way,
    every block of KV free once the donors are deleted, no file left open, exit code 0."""

    def __init__(self, options, *arguments, before=(), tenants=("",)):
        self.tenants, self.killed = tenants, False
        self.folder = tempfile.TemporaryDirectory(prefix="kvs-soak-")
        self.log = Path(self.folder.name, "log")
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*before, "kvs-serve", "http", "-m", options.model, "--port", "0",
                                             *map(str, arguments)], stdout=subprocess.PIPE, stderr=log, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise Failure(f"the server did not start: {self.log.read_text()[-300:].strip()}")
        self.port = int(self.url.rsplit(":", 1)[1])
        self.ask("/health")
        self.files_at_start = self.files()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if self.killed:
                return
            if kind is None:
                self.finish()
            elif self.process.poll() is not None:
                raise Failure(f"the server died ({self.process.returncode}): {self.words()}") from error
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.folder.cleanup()

    def kill(self) -> None:
        """As kill -9: what is asked from now on is not answered, and that is no fault."""
        self.killed = True
        self.process.kill()
        self.process.wait()

    def said(self) -> list[str]:
        """What the log says that is no line for a request."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if '"event":"request"' not in line]

    def words(self) -> str:
        return " | ".join(self.said()[-3:]) or "no words"

    def ask(self, path: str, body=None, headers=None, method=None, timeout=PATIENCE_S):
        """Status and body of an answer; the body parsed where it is JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = json.dumps(body).encode() if isinstance(body, dict) else body
            connection.request(method or ("GET" if data is None else "POST"), path, data, headers or {})
            answer = connection.getresponse()
            content = answer.read()
            is_json = answer.headers.get_content_type() == "application/json"
            return answer.status, json.loads(content) if is_json else content.decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Failure(f"{path}: no answer: {error!r}") from error
        finally:
            connection.close()

    def complete(self, prompt: str, headers=None, **fields) -> dict:
        body = {"prompt": prompt, "max_tokens": 8, "temperature": 0} | fields
        status, answer = self.ask("/v1/completions", body, headers)
        if status != 200:
            raise Failure(f"a good request was answered with {status}: {answer}")
        return answer

    def metric(self, name: str) -> float:
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.ask("/metrics")[1], re.MULTILINE)
        return float(found[1]) if found else 0.0

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait_until_quiet(self) -> None:
        wait_for("the server to be idle",
                 lambda: self.metric("kvshare_active_choices") + self.metric("kvshare_waiting_choices") == 0)

    def finish(self) -> None:
        self.wait_until_quiet()

        def clean():
            for tenant in self.tenants:
                self.ask(f"/v1/kvshare/donors?tenant={tenant}", method="DELETE")
            return self.metric("kvshare_kv_blocks_in_use") == 0

        wait_for("all blocks of KV to be free", clean, 20)
        wait_for("all files to be closed", lambda: self.files() <= self.files_at_start + 2, 20)
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(PATIENCE_S) != 0:
            raise Failure(f"the server ended with {self.process.returncode}: {self.words()}")


class Redis:
    """A redis-server without persistence."""

    def __init__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}"
        self.folder = tempfile.TemporaryDirectory(prefix="kvs-soak-redis-")
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        self.folder.cleanup()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", self.folder.name, "--loglevel", "warning"], stdout=subprocess.DEVNULL)
        wait_for("redis-server", self.answers, 20)

    def answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
