"""Invented banks, customers and rules for the workload `volatile`."""
import random

NAMES = ("Northgate Alder Harbour Meridian Castle Linden Summit Orchard Beacon Quay Granite Willow "
         "Falcon Juniper Anchor Heron Copper Lantern Maple Cobalt").split()
FIRST = ("Maria Jonas Aisha Pavel Ingrid Tomas Leila Marcus Yuki Elena Samuel Priya Oskar Nadia "
         "Felix Amara Victor Sofia Daniel Greta").split()
LAST = ("Keller Okafor Novak Lindqvist Moreau Tanaka Rossi Haddad Becker Silva Petrov Jensen Khan "
        "Walsh Costa Fischer Adeyemi Laurent Berg Iyer").split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday".split()
RULES = (
    "We answer on {topic} within {days} working days; from the {count}th case in a year on each "
    "costs {fee} euros.",
    "For {topic} the customer needs the app, version {count} or later. Without it the branch does "
    "the same for {fee} euros, in about {days} days.",
    "{topic} is free for amounts up to {fee}0 euros. Above that we ask for a document not older "
    "than {count} months and decide in {days} days.",
    "Nothing about {topic} is done by phone. A letter costs {fee} euros and takes {days} days; the "
    "form in the app is number {count}.",
    "A colleague looks at {topic} on the same day where the request comes before {count}:30, else "
    "{days} working days later. Objections cost {fee} euros unless they are right.",
    "Requests about {topic} are refused where the account is younger than {count} weeks. Otherwise "
    "allow {days} days and keep at least {fee} euros in the account.",
    "The limit for {topic} is {count} a month, and {fee}00 euros in all. It is raised after {days} "
    "days without a late payment.",
    "With {topic} we never ask for the PIN. What the customer lost is paid back within {days} "
    "days, less {fee} euros, if it is told within {count} hours.",
)


def reply_rule(topic: str, rng: random.Random) -> str:
    rule = rng.choice(RULES).format(topic=topic, days=rng.randrange(2, 30),
                                    count=rng.randrange(4, 23), fee=rng.randrange(2, 60))
    return rule[0].upper() + rule[1:]


class Bank:
    def __init__(self, rng: random.Random):
        self.rng = rng
        self.name = f"{rng.choice(NAMES)} {rng.choice(['Bank', 'Mutual', 'Savings', 'Trust'])}"

    def introduction(self) -> str:
        rng = self.rng
        date = f"{rng.randrange(1, 28)}/{rng.randrange(1, 12)}"
        return (f"You are the assistant of {self.name}. Answer in at most "
                f"{rng.choice(['two', 'three'])} sentences from the policy of {date} below, and from "
                f"nothing else. {self.name} is open from {rng.randrange(6, 10)}:00 to "
                f"{rng.randrange(16, 22)}:00; its number is {rng.randrange(200, 999)} "
                f"{rng.randrange(1000, 9999)}.")

    def customer(self, ticket: int) -> str:
        rng = self.rng
        return (f"Ticket {ticket} · {rng.choice(FIRST)} {rng.choice(LAST)} · {rng.choice(DAYS)} "
                f"{rng.randrange(7, 22)}:{rng.randrange(10, 60)} · customer since "
                f"{rng.randrange(1990, 2025)}")
