"""64 streams at a time, and whether memory grows under them."""
import itertools
import json
import subprocess
import threading
import time
from pathlib import Path
from statistics import median

from .server import Failure, Server
from .texts import prompts

STREAMS = 64
ROUND = 256  # requests of one run of the load generator
GROWTH_MB, GROWTH_SHARE = 8, 0.03


class Watch:
    """Memory of a server beside its pool of KV, over time."""

    def __init__(self, server: Server, kv_memory_mb: int):
        self.server = server
        self.block_mb = kv_memory_mb / server.metric("kvshare_kv_blocks")
        self.most_blocks = 0
        self.samples: list[float] = []
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self) -> None:
        while not self.done.wait(0.5):
            # The pool keeps what it took once.
            self.most_blocks = max(self.most_blocks, self.server.metric("kvshare_kv_blocks_in_use"))
            self.samples.append(self.server.memory_mb() - self.most_blocks * self.block_mb)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def growth(self) -> tuple[float, float]:
        """From the second quarter of the time to the last one, which should not differ."""
        quarter = max(1, len(self.samples) // 4)
        return median(self.samples[quarter:2 * quarter] or self.samples), median(self.samples[-quarter:])


def send(server: Server, seed: int) -> dict:
    workload, figures = Path(server.folder.name, "workload.jsonl"), Path(server.folder.name, "figures.json")
    workload.write_text("".join(
        json.dumps({"id": str(number), "prompt": prompt, "max_tokens": 16 + number % 17}) + "\n"
        for number, prompt in enumerate(prompts(seed, ROUND))))
    done = subprocess.run(["kvs-eval", "load", "--url", server.url, "--workload", workload, "--json", figures, "-q",
                           "--concurrency", str(STREAMS)], capture_output=True, text=True, check=False)
    if not figures.exists():
        raise Failure(f"kvs-eval load: {done.stderr.strip()[-300:]}")
    return json.loads(figures.read_text())["load"]


def streams(options) -> tuple[int, str]:
    answered, end = 0, time.monotonic() + 60 * options.minutes
    with Server(options, "--kv-memory", options.kv_memory, "--parallel", STREAMS) as server:
        with Watch(server, options.kv_memory) as watch:
            for seed in itertools.count():
                load = send(server, seed)
                if load["answered"] != load["requests"]:
                    raise Failure(f"of {load['requests']} requests failed: {load['errors']}")
                answered += load["answered"]
                if time.monotonic() > end:
                    break
        before, after = watch.growth()
        if after - before > GROWTH_MB + GROWTH_SHARE * before:
            raise Failure(f"memory beside the pool grew from {before:.0f} to {after:.0f} MiB over {answered} requests")
    return answered, f"beside the pool {before:.0f}, then {after:.0f} MiB"
