"""Tokens of texts and of requests.

Prompts are sized with an estimate, so that the same data gives the same workloads on every machine:
runs of at most 7 letters with the space in front of them, single digits, single other characters
and runs of white space, and 5 tokens of template for each message. On English that is within a few
per cent of SmolLM2's vocabulary. What was made is then measured with a model's tokens, where
kvs-embed is built and the model is there."""
import json
import re
import subprocess
from pathlib import Path

PIECES = re.compile(r"\s?[^\W\d_]{1,7}|\s?\d|\s?[^\w\s]|_|\s+")
FRAME = 5  # of a message


class Tokens:
    def __init__(self, tool: Path, model: str):
        self.counts: dict[str, int] = {}
        self.command = [str(tool), "--tokenize", "-q", "-m", model, "-"]
        self.measured = model != "none" and self._works()
        self.source = f"tokens of {model}" if self.measured else "estimated tokens"

    def _works(self) -> bool:
        try:
            self._run([])
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, requests: list[dict]) -> list[list]:
        lines = "".join(json.dumps({"messages": request["messages"]}) + "\n"
                        for request in requests)
        out = subprocess.run(self.command, input=lines, capture_output=True, check=True,
                             encoding="utf-8").stdout
        return [json.loads(line)["tokens"] for line in out.splitlines()]

    def count(self, text: str) -> int:
        """Estimated."""
        if text not in self.counts:
            self.counts[text] = len(PIECES.findall(text))
        return self.counts[text]

    def of_requests(self, requests: list[dict]) -> list[list]:
        """The tokens of each whole prompt, the chat template included."""
        if self.measured:
            return self._run(requests)
        return [[piece for message in request["messages"]
                 for piece in ["<", message["role"], "\n", *PIECES.findall(message["content"]),
                               ">", "\n"]]
                for request in requests]
