#!/usr/bin/env python3
"""Talks to kvs-serve http with llm, a chat program of other people: llm_client_test.py BIN DATA.

Exits with 77 (skipped) where the package llm is not installed.
"""
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

if importlib.util.find_spec("llm") is None:
    print("skipped: the package llm is not installed for", sys.executable)
    sys.exit(77)

BIN, DATA = (Path(argument) for argument in sys.argv[1:3])
MODEL = """
- model_id: small
  model_name: stories260K
  api_base: {url}/v1
"""
OPTIONS = ["-m", "small", "-o", "max_tokens", "12", "-o", "temperature", "0"]


class Llm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = subprocess.Popen(
            [BIN / "kvs-serve", "http", "-m", DATA / "stories260K.gguf", "--chat-template", "chatml", "--port", "0",
             "-q"], stdout=subprocess.PIPE, text=True)
        cls.folder = tempfile.TemporaryDirectory()
        url = cls.server.stdout.readline().strip()
        (Path(cls.folder.name) / "extra-openai-models.yaml").write_text(MODEL.format(url=url))

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        assert cls.server.wait(60) == 0
        cls.server.stdout.close()
        cls.folder.cleanup()

    def llm(self, *arguments, stdin=""):
        environment = os.environ | {"LLM_USER_PATH": self.folder.name, "OPENAI_API_KEY": "none"}
        return subprocess.run([sys.executable, "-m", "llm", *arguments], input=stdin, env=environment,
                              capture_output=True, text=True, timeout=120)

    def answer(self, *arguments, stdin=""):
        done = self.llm(*arguments, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout

    def test_streamed_and_whole(self):
        streamed = self.answer("Tell me a story", *OPTIONS)
        self.assertGreater(len(streamed), 10)
        self.assertEqual(self.answer("Tell me a story", *OPTIONS, "--no-stream"), streamed)

    def test_system_prompt_and_stdin(self):
        answer = self.answer("-s", "You tell stories of Tim", *OPTIONS, stdin="Tell me a story")
        self.assertNotEqual(answer, self.answer("Tell me a story", *OPTIONS))

    def test_conversation(self):
        first = self.answer("Tell me a story", *OPTIONS)
        self.answer("-c", "Tell me more", "-o", "max_tokens", "12", "-o", "temperature", "0")
        turns = json.loads(self.answer("logs", "-c", "--json"))
        self.assertEqual(turns[0]["response"].strip(), first.strip())
        usage = turns[1]["response_json"]["usage"]
        self.assertGreater(usage["prompt_tokens_details"]["cached_tokens"], turns[0]["input_tokens"])

    def test_chat(self):
        talk = self.answer("chat", *OPTIONS, stdin="Tell me a story\nTell me more\nexit\n")
        self.assertIn(self.answer("Tell me a story", *OPTIONS).strip(), talk)

    def test_error(self):
        done = self.llm("Tell me a story", "-m", "small", "-o", "max_tokens", "-1")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("max_tokens", done.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
