"""Tiers of the donor store that fail: killed while they are written, gone and back, full. Whatever happens to them,
answers are those without them, since reuse is exact here."""
import json
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from .server import Failure, Redis, Server, wait_for
from .texts import prompts

EXACT = ("--reuse", "exact")
MIB = 1 << 20


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Run:
    """kvs-serve run over the same requests, with a folder for the tier."""

    def __init__(self, options, folder: str):
        self.folder = Path(folder)
        self.requests = self.folder / "requests.jsonl"
        self.prompts = prompts(1, 60, families=5)
        self.requests.write_text("".join(
            json.dumps({"id": str(number), "prompt": prompt, "max_tokens": 12}) + "\n"
            for number, prompt in enumerate(self.prompts)))
        self.command = ["kvs-serve", "run", "-m", options.model, *EXACT, str(self.requests)]
        self.words = self.folder / "words"
        self.expected = self.answers(self.run().stdout)
        if len(self.expected) != 60:
            raise Failure(f"kvs-serve run answered {len(self.expected)} of 60 requests")
        self.run("--disk", str(self.folder / "whole"))
        self.half_mb = max(1, size_of(self.folder / "whole") // 2 // MIB)  # so that files go all the time too

    def run(self, *arguments) -> subprocess.CompletedProcess:
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True, check=False)

    def texts(self) -> dict[str, str]:
        """Prompts and what is expected for them."""
        return {prompt: text for prompt, (_, text) in zip(self.prompts, self.expected, strict=True)}

    @staticmethod
    def answers(lines: str) -> list[tuple[str, str]]:
        whole = lines[:lines.rfind("\n") + 1]  # the last line may have been cut off
        return [(answer["id"], answer["text"]) for answer in map(json.loads, whole.splitlines())]

    def check(self, lines: str, when: str, whole: bool = False) -> None:
        found = self.answers(lines)
        if found != self.expected[:None if whole else len(found)]:
            raise Failure(f"wrong answers {when}")


def kill_run(run: Run, disk: list[str], words, seconds: float) -> int:
    """Kills kvs-serve run while it answers, and checks what it had answered; how many requests it was given."""
    process = subprocess.Popen([*run.command, *disk], stdout=subprocess.PIPE, stderr=words, text=True)
    threading.Timer(seconds, process.kill).start()
    run.check(process.communicate()[0], "of a run that was killed")
    return len(run.expected)


def kill_server(options, run: Run, disk: list[str], words, seconds: float) -> int:
    """The same with kvs-serve http, asked from several threads."""
    with Server(options, *EXACT, *disk) as server:
        with Asking(server, run.texts(), max_tokens=12) as load:
            load.go_on_for(seconds, "of a server before it was killed")
            server.kill()
        load.go_on_for(0, "of a server that was killed")
        words.write("".join(f"{line}\n" for line in server.said()))
    return load.asked


def kills(options) -> tuple[int, str]:
    """kvs-serve is killed while it writes to its disk tier, again and again: run and http in turn, each over what the
    other one left."""
    rng, times = random.Random(1), max(1, round(10 * options.minutes))
    with tempfile.TemporaryDirectory(prefix="kvs-soak-") as folder:
        run = Run(options, folder)
        tier = Path(folder, "tier")
        disk = ["--disk", str(tier), "--disk-memory", str(run.half_mb)]
        begun = time.monotonic()
        run.run(*disk)
        takes = time.monotonic() - begun
        requests = 3 * len(run.expected)
        with run.words.open("a") as words:
            for kill in range(times):
                seconds = rng.uniform(0.05, takes)
                requests += (kill_run(run, disk, words, seconds) if kill % 2 == 0 else
                             kill_server(options, run, disk, words, seconds))
        last = run.run(*disk)
        run.check(last.stdout, "at the end", whole=True)
        said = run.words.read_text() + last.stderr
        if said:
            raise Failure(f"unexpected words: {said.splitlines()[0]}")
        if list(tier.rglob("*.part")):
            raise Failure("half-written files are left")
        if size_of(tier) > 1.05 * run.half_mb * MIB:
            raise Failure(f"the tier has {size_of(tier)} bytes, and may have {run.half_mb} MiB")
    return requests, f"killed {times} times, nothing wrong was served"


def on_small_disk(folder: Path, bytes_: int) -> list[str]:
    """Runs a command with a disk of this size in a folder: in a mount of its own, or where that is not allowed with
    files that cannot grow."""
    script = f'mount -t tmpfs -o size={bytes_} tmpfs "{folder}" && exec "$@"'
    mounted = ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh"]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode == 0:
        return mounted
    return ["sh", "-c", f'ulimit -f {max(1, bytes_ // 4096 // 512)} && exec "$@"', "sh"]


def full(options) -> tuple[int, str]:
    """The disk is full long before the donors are written."""
    with tempfile.TemporaryDirectory(prefix="kvs-soak-") as folder:
        run = Run(options, folder)
        disk = Path(folder, "disk")
        disk.mkdir()
        before = on_small_disk(disk, size_of(Path(folder, "whole")) // 4)
        asked = prompts(1, 60, families=5)
        with Server(options, *EXACT, "--disk", disk, before=before) as server:
            for turn in range(2):
                for prompt, (_, expected) in zip(asked, run.expected, strict=True):
                    if server.complete(prompt, max_tokens=12)["choices"][0]["text"] != expected:
                        raise Failure(f"a wrong answer in turn {turn + 1}")
            failed = server.metric('kvshare_tier_failed_writes_total{tier="disk"}')
            if failed == 0:
                raise Failure("the disk was not full")
    return 240, f"{failed:.0f} donors could not be written, all answers were right"


class Asking:
    """Asks a server the same prompts all the time, from several threads, and compares."""

    def __init__(self, server: Server, expected: dict[str, str], **fields):
        self.server, self.expected, self.fields = server, expected, fields
        self.done = threading.Event()
        self.asked, self.wrong = 0, []
        self.threads = [threading.Thread(target=self.run, args=(seed,)) for seed in range(4)]

    def run(self, seed: int) -> None:
        rng = random.Random(seed)
        while not self.done.is_set() and not self.wrong and not self.server.killed:
            prompt = rng.choice(list(self.expected))
            try:
                answer = self.server.complete(prompt, **self.fields)
                if answer["choices"][0]["text"] != self.expected[prompt]:
                    self.wrong.append("a wrong answer")
            except Failure as failure:
                if not self.server.killed:
                    self.wrong.append(str(failure))
            self.asked += 1

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        for thread in self.threads:
            thread.join()

    def go_on_for(self, seconds: float, when: str) -> None:
        self.done.wait(seconds)  # set already where it has ended
        if self.wrong:
            raise Failure(f"{when}: {self.wrong[0]}")


UP = 'kvshare_tier_up{tier="redis"}'


def redis(options) -> tuple[int, str]:
    """Redis is killed under load and comes back, empty; then hangs; then serves a second server."""
    seconds = max(2, 6 * options.minutes)
    asked = prompts(3, 40, families=5)
    with Server(options, *EXACT) as server:
        expected = {prompt: server.complete(prompt)["choices"][0]["text"] for prompt in asked}
    with Redis() as store, Server(options, *EXACT, "--store", store.url, "--kv-memory", options.kv_memory) as server:
        with Asking(server, expected) as load:
            load.go_on_for(seconds, "at the start")
            store.kill()
            load.go_on_for(seconds, "without Redis")
            store.start()
            wait_for("the server to find Redis again", lambda: server.metric(UP) == 1, 30)
            load.go_on_for(seconds, "with Redis again")
            store.process.send_signal(signal.SIGSTOP)
            load.go_on_for(seconds, "while Redis hangs")
            store.process.send_signal(signal.SIGCONT)
            load.go_on_for(seconds, "when Redis goes on")
        other_prompt = "Nobody but this server has it so far: " + asked[0]
        expected[other_prompt] = server.complete(other_prompt)["choices"][0]["text"]
        wait_for("a donor in Redis", lambda: server.metric('kvshare_tier_written_total{tier="redis"}') > 0, 20)
        time.sleep(1)  # other servers' donors are known within half a second
        with Server(options, *EXACT, "--store", store.url) as second:
            for prompt, text in expected.items():
                if second.complete(prompt)["choices"][0]["text"] != text:
                    raise Failure("a wrong answer of the second server")
            hits = second.metric('kvshare_tier_hits_total{tier="redis"}')
        if hits == 0:
            raise Failure("the second server found nothing in Redis")
    return load.asked + len(expected), f"killed, back and hung; a second server found {hits:.0f} donors there"
