"""Tokens of texts and of requests: those of a model where kvs-embed can say them, else estimated.

The estimate splits a text into runs of at most 7 letters with the space in front of them, single
digits, single other characters and runs of white space; on English it gives about as many tokens as
SmolLM2's vocabulary. A message counts 5 tokens of template more."""
import json
import re
import subprocess
from pathlib import Path

PIECES = re.compile(r"\s?[^\W\d_]{1,7}|\s?\d|\s?[^\w\s]|_|\s+")


class Tokens:
    def __init__(self, tool: Path, model: str):
        self.command = [str(tool), "--tokenize", "-q", "-m", model, "-"]
        self.source = f"tokens of {model}"
        self.counts: dict[str, int] = {}
        self.measured = model != "none" and tool.exists() and self._works()
        if not self.measured:
            self.source = "estimated tokens"

    def _works(self) -> bool:
        try:
            self._run([{"prompt": "a"}])
        except (OSError, subprocess.CalledProcessError):
            return False
        return True

    def _run(self, requests: list[dict]) -> list[list]:
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        out = subprocess.run(self.command, input=lines, capture_output=True, check=True,
                             encoding="utf-8").stdout
        return [json.loads(line)["tokens"] for line in out.splitlines()]

    def learn(self, texts) -> None:
        """Counts many texts at once, so that count() need not start a program for each."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self.counts]
        if not fresh:
            return
        lists = (self._run([{"prompt": text} for text in fresh]) if self.measured else
                 [PIECES.findall(text) for text in fresh])
        self.counts.update((text, len(tokens)) for text, tokens in zip(fresh, lists, strict=True))

    def count(self, text: str) -> int:
        self.learn([text])
        return self.counts[text]

    def of_requests(self, requests: list[dict]) -> list[list]:
        """The tokens of each whole prompt, the chat template included."""
        if self.measured:
            return self._run([{"messages": request["messages"]} for request in requests])
        return [[piece for message in request["messages"]
                 for piece in ["<", message["role"], "\n", *PIECES.findall(message["content"]),
                               ">", "\n"]]
                for request in requests]
