#!/usr/bin/env python3
"""Makes chat requests from a policy text and lines of ticket, name, time and question.

usage: demo_requests.py POLICY.txt QUESTIONS.tsv >requests.jsonl
The volatile line comes first, as it does in many real prompts: prefix caching loses all behind it."""
import json
import sys


def main(policy_file: str, questions_file: str) -> None:
    with open(policy_file, encoding="utf-8") as file:
        policy = file.read().rstrip()
    with open(questions_file, encoding="utf-8") as file:
        for line in file:
            ticket, name, time, question = line.rstrip("\n").split("\t")
            system = f"Ticket {ticket} · customer {name} · {time}\n\n{policy}"
            messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
            print(json.dumps({"id": ticket, "messages": messages}, ensure_ascii=False))


if __name__ == "__main__":
    main(*sys.argv[1:])
