#!/usr/bin/env python3
"""Talks to kvs-serve chat in a terminal, to a model and to a server: chat.py BIN."""
import hashlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BIN = Path(sys.argv[1])
DATA = Path(__file__).resolve().parent.parent / "data"
MODEL = ["-m", DATA / "stories260K.gguf", "--chat-template", "chatml", "--policy", "epic", "--cpu", "portable"]
SHORT = ["--max-tokens", "8"]
TIMINGS = r"\[\d+ tokens, (\d+) reused, \d+ computed · first token \d+ ms · [0-9.]+ tokens/s\]"
PROMPT = r"(?m)^> "
PATIENCE_S = 40


class Terminal:
    """kvs-serve chat, and what it has written since the last look."""

    def __init__(self, home, *options, **variables):
        self.process, self.file = pty.fork()
        if self.process == 0:
            kept = {key: value for key, value in os.environ.items() if not key.startswith(("KVS_", "XDG_"))}
            os.execve(BIN / "kvs-serve", ["kvs-serve", "chat", *map(str, options)],
                      kept | {"HOME": home, "TERM": "dumb", "LC_ALL": "C.UTF-8"} | variables)
        self.text = ""

    def type(self, keys):
        os.write(self.file, keys.encode())

    def expect(self, pattern):
        """Waits until this comes, and forgets what stood in front of it."""
        end = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self.text)):
            if not select.select([self.file], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            try:
                self.text += os.read(self.file, 4096).decode(errors="replace")
            except OSError:  # it is gone
                raise AssertionError(f"left without {pattern!r}: {self.text!r}") from None
        self.text = self.text[found.end():]
        return found

    def say(self, keys):
        """Types at the prompt: what is typed in front of it may be lost when the terminal's mode changes."""
        self.expect(PROMPT)
        self.type(keys)

    def leave(self):
        self.say("\x04")
        return self.exit_code()

    def exit_code(self):
        while select.select([self.file], [], [], PATIENCE_S)[0]:
            try:
                os.read(self.file, 4096)
            except OSError:  # it is gone
                break
        else:
            os.kill(self.process, signal.SIGKILL)
        os.close(self.file)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


class Chat(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kvs-chat-")
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def serve(self):
        keys = Path(self.home, "keys")
        keys.write_text(hashlib.sha256(b"secret").hexdigest() + " acme\n")
        self.server = subprocess.Popen([BIN / "kvs-serve", "http", *MODEL, "--port", "0", "--keys", keys, "-q"],
                                       stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.server.stdout.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.url = self.server.stdout.readline().strip()

    def test_talks_with_a_model(self):
        chat = Terminal(self.home, *MODEL, *SHORT)
        chat.expect("stories260K on .*/help lists the commands")
        chat.say("Tell me a story\n")
        chat.expect(TIMINGS)
        chat.say("/stats\n")
        chat.expect(r"prompt \d+ tokens: \d+ exact.*\s+reuse approx, policy epic")
        self.assertEqual(chat.leave(), 0)

    def test_talks_with_a_server(self):
        self.serve()
        chat = Terminal(self.home, "--url", self.url, *SHORT, KVS_API_KEY="secret", KVS_POLICY="full")
        chat.expect("stories260K at http://.*/help lists the commands")
        chat.say("Tell me a story\n")
        self.assertEqual(chat.expect(TIMINGS)[1], "0")
        chat.say("Another one\n")
        self.assertGreater(int(chat.expect(TIMINGS)[1]), 0)
        chat.say("/stats\n")
        chat.expect(r"prompt \d+ tokens: \d+ exact.*\s+reuse approx, policy epic")
        chat.expect(r"answer 8 tokens \(length\)")
        self.assertEqual(chat.leave(), 0)

    def test_ctrl_c_stops_an_answer_only(self):
        self.serve()
        chat = Terminal(self.home, "--url", self.url, *SHORT, KVS_API_KEY="secret")
        chat.expect(PROMPT)
        self.server.send_signal(signal.SIGSTOP)
        chat.type("Tell me a story\n")
        chat.expect("Tell me a story")
        time.sleep(0.5)  # or the signal would come at the prompt
        chat.type("\x03")
        chat.expect(r"\[stopped\]")
        chat.say("/stats\n")
        chat.expect("Of a stopped answer the server says nothing")
        self.server.send_signal(signal.SIGCONT)
        chat.say("Tell me a story\n")
        chat.expect(TIMINGS)
        self.assertEqual(chat.leave(), 0)

    def test_goes_on_when_the_server_is_gone(self):
        self.serve()
        chat = Terminal(self.home, "--url", self.url, *SHORT, KVS_API_KEY="secret")
        chat.expect(PROMPT)
        self.server.kill()
        self.server.wait()
        chat.type("Tell me a story\n")
        chat.expect(f"{self.url}: cannot connect\r\n")
        chat.say("/help\n")
        chat.expect("/stats")
        self.assertEqual(chat.leave(), 0)

    def test_says_why_it_was_refused(self):
        self.serve()
        chat = Terminal(self.home, "--url", self.url, KVS_API_KEY="wrong")
        chat.expect(f"kvs-serve: {self.url}/v1/models: the API key is missing or not known\r\n")
        self.assertEqual(chat.exit_code(), 2)

    def test_a_server_decides_about_reuse(self):
        for options, why in [(["--url", "http://localhost:1", "--policy", "full"],
                              "--policy: with --url the server decides"),
                             ([], "--model or --url is required")]:
            chat = Terminal(self.home, *options)
            chat.expect(f"kvs-serve: {why}\r\n")
            self.assertEqual(chat.exit_code(), 2)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
