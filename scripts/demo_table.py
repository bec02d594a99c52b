#!/usr/bin/env python3
"""Prints the answers and the figures of two runs over the same requests.

usage: demo_table.py REQUESTS.jsonl WITHOUT_REUSE.jsonl WITH_REUSE.jsonl"""
import json
import sys


def read(path: str) -> list[dict]:
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def main(requests_file: str, full_file: str, reuse_file: str) -> None:
    runs = list(zip(read(requests_file), read(full_file), read(reuse_file), strict=True))
    for request, full, reuse in runs:
        print(f"\n[{request['id']}] {request['messages'][-1]['content']}")
        print(f"  without: {' '.join(full['text'].split())}")
        print(f"  with:    {' '.join(reuse['text'].split())}")

    columns = ["exact", "shifted", "recomputed", "computed"]
    print("\n" + "".join(f"{name:>11}" for name in ["ticket", "tokens", *columns]) +
          "   TTFT without   TTFT with   speed-up")
    for request, full, reuse in runs:
        share, base = reuse["kvshare"], full["kvshare"]
        counts = [share["prompt_tokens"], *(share[name] for name in columns)]
        print(f"{request['id']:>11}" + "".join(f"{count:>11}" for count in counts) +
              f"{base['ttft_ms']:>12.0f} ms{share['ttft_ms']:>9.0f} ms"
              f"{base['ttft_ms'] / share['ttft_ms']:>10.1f}x")


if __name__ == "__main__":
    main(*sys.argv[1:])
