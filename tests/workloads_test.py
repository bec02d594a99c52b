#!/usr/bin/env python3
"""Runs scripts/make-workloads and make-traps on small data sets made here, and checks what they promise
with a measure of its own. Run by ctest."""
import csv
import gzip
import json
import random
import statistics
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "scripts" / "make-workloads"
NAMES = ("volatile", "rag", "fewshot", "edit", "dialogue", "paraphrase")
SHARES = {"volatile": (0.80, 0.98), "rag": (0.55, 0.92), "fewshot": (0.45, 0.92),
          "edit": (0.80, 0.98), "dialogue": (0.65, 0.97), "paraphrase": (0.45, 0.85)}
REQUESTS = 40


def write_data(folder: Path, rng: random.Random) -> None:
    words = ["".join(rng.choices("aeioulnrst", k=rng.randrange(2, 8))) for _ in range(900)]

    def sentence(least: int, most: int) -> str:
        return " ".join(rng.choices(words, k=rng.randrange(least, most))).capitalize() + "."

    def lines(name: str, records) -> None:
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / name).parent.mkdir()
        data = text.encode()
        (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)

    lines("gsm8k/train.jsonl", ({"question": sentence(20, 60), "answer": sentence(15, 70)}
                                for _ in range(500)))
    lines("medquad/medquad.jsonl",
          ({"focus": sentence(1, 4), "question": sentence(4, 10),
            "answer": " ".join(["About the share of those who have it is at 34 percent."] * (at < 1) +
                               [sentence(8, 25) for _ in range(rng.randrange(3, 12))])}
           for at in range(600)))
    lines("sgd/sgd_dev_utterances.jsonl.gz",
          ({"id": str(at), "turns": [["US"[turn % 2], sentence(6, 20)]
                                     for turn in range(rng.randrange(4, 9) * 2)]}
           for at in range(300)))
    (folder / "banking77").mkdir()
    with (folder / "banking77" / "train.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "category"])
        rows.writerows([sentence(6, 16), f"topic_{topic}"] for topic in range(40) for _ in range(60))
    (folder / "clinc150").mkdir()
    parts = {part: [[sentence(5, 12), f"intent_{intent}"] for intent in range(60)
                    for _ in range(count)]
             for part, count in (("train", 90), ("val", 10), ("test", 10))}
    (folder / "clinc150" / "data_full.json").write_text(json.dumps(parts))


def share(tokens: list[str], other: list[str]) -> float:
    """The plain definition: a token counts if any 8 around it stand in the other text."""
    known = {tuple(other[at:at + 8]) for at in range(len(other) - 7)}
    shared: set[int] = set()
    for at in range(len(tokens) - 7):
        if tuple(tokens[at:at + 8]) in known:
            shared.update(range(at, at + 8))
    return len(shared) / len(tokens)


class Workloads(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        (cls.root / "data").mkdir()
        write_data(cls.root / "data", random.Random(5))
        cls.result = cls.make("one")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @classmethod
    def make(cls, out: str, *options: str, data: str = "data"):
        return subprocess.run(
            [sys.executable, SCRIPT, "--data", cls.root / data, "--out", cls.root / out, "--model",
             "none", "--requests", str(REQUESTS), *options], capture_output=True, text=True)

    def requests(self, name: str) -> list[dict]:
        text = (self.root / "one" / f"{name}.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1]]

    def test_says_that_it_keeps_its_promises(self):
        self.assertEqual((self.result.returncode, self.result.stderr), (0, ""), self.result.stdout)
        self.assertEqual([line.split()[0] for line in self.result.stdout.splitlines()[2:]],
                         list(NAMES))

    def test_writes_requests_in_order_of_time(self):
        tenants = json.loads((self.root / "one" / "tenants.json").read_text())["groups"]
        self.assertEqual(sum(map(len, tenants.values())), 3)
        self.assertEqual(len(tenants), 2)
        for name in NAMES:
            requests = self.requests(name)
            times = [request["arrival_ms"] for request in requests]
            self.assertEqual(len({request["id"] for request in requests}), REQUESTS)
            self.assertEqual(times, sorted(times))
            self.assertLessEqual({request["tenant"] for request in requests},
                                 set(sum(tenants.values(), [])))
            for request in requests:
                self.assertTrue(request["reference"] and request["max_tokens"] > 0)
                self.assertEqual(request["messages"][0]["role"], "system")
                self.assertEqual(request["messages"][-1]["role"], "user")

    def test_shares_what_it_promises(self):
        for name in NAMES:
            earlier: dict[bool, list] = {}
            fresh, outside, kinds = 0, 0, set()
            for request in self.requests(name):
                words = " ".join(message["content"] for message in request["messages"]).split(" ")
                known = earlier.setdefault(request["tenant"] == "cedar", [])
                best = max((share(words, other) for other in known), default=0.0)
                known.append(words)
                if best < 0.4:
                    fresh += 1
                elif not SHARES[name][0] <= best <= SHARES[name][1]:
                    outside += 1
                kinds.add(best)
            self.assertEqual(fresh, 6, name)  # 15 % of 40
            self.assertLessEqual(outside, 4, name)
            self.assertGreater(len(kinds), 20, name)

    def test_depends_on_the_seed_only(self):
        self.make("again")
        self.make("other", "--seed", "2")
        for name in NAMES:
            texts = [(self.root / out / f"{name}.jsonl").read_bytes()
                     for out in ("one", "again", "other")]
            self.assertEqual(texts[0], texts[1])
            self.assertNotEqual(texts[0], texts[2])

    def test_says_what_is_wrong_with_the_data(self):
        self.assertEqual(self.make("none", data="absent").returncode, 2)
        self.assertIn("banking77/train.csv: No such file", self.make("none", data="absent").stderr)
        bad = self.root / "bad" / "banking77"
        bad.mkdir(parents=True)
        (bad / "train.csv").write_text("text,topic\na,b\n")
        result = self.make("none", data="bad")
        self.assertEqual(result.returncode, 2)
        self.assertIn("banking77/train.csv:2: field 'category': expected str", result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)

    def test_says_where_texts_run_out(self):
        result = self.make("none", "--requests", "2000")
        self.assertEqual(result.returncode, 2)
        self.assertIn("too few texts for so many requests", result.stderr)

    def traps(self, *options):
        out = self.root / "traps.jsonl"
        subprocess.run([sys.executable, SCRIPT.with_name("make-traps"), "--data", self.root / "data",
                        "--out", out, "--pairs", "30", *options], check=True, capture_output=True)
        return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]

    def test_sets_traps_of_one_word(self):
        for options in ((), ("--words", "20")):
            pairs = self.traps(*options)
            self.assertEqual(len({pair["id"] for pair in pairs}), 30)
            self.assertIn("number", {pair["kind"] for pair in pairs})
            for pair in pairs:
                words = [pair[name].split(" ") for name in ("prompt_a", "prompt_b")]
                self.assertEqual(len(words[0]), len(words[1]))
                self.assertEqual(sum(map(str.__ne__, *words)), 1, pair["question"])
                self.assertNotEqual(*pair["answers"])
                if pair["answers"][0].isdigit():
                    self.assertEqual(*map(len, pair["answers"]))

    def test_sets_traps_in_short_texts_where_asked(self):
        def median_length(pairs):
            return statistics.median(len(pair["prompt_a"].split()) for pair in pairs)

        self.assertLess(median_length(self.traps("--words", "20")),
                        median_length(self.traps()) / 2)


if __name__ == "__main__":
    unittest.main()
