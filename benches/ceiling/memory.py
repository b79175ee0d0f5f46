#!/usr/bin/env python3
"""Does a server's memory grow while it works? First every cache that is bounded is filled, then it is watched at a steady rate.

  cargo build --release
  benches/ceiling/memory.py [--minutes 30] [--rate 40]

A step is a first page, in one of three the next page after it, and in one of seven an open before it, from which the server learns. Prints
the memory every minute and the slope of a straight line through it, which tells nothing in less than some twenty minutes. Needs numpy.
"""
import argparse
import http.client
import json
import random
import threading
import time

import numpy as np

from rig import BINARY, READERS, TELLERS, Rig, resident_bytes, teach

ITEMS = 20_000
# Each changes an interest: what is near 8,192 of them is kept.
OPENS_TO_FILL = 45_000
NEXT_SHARE = 1 / 3
OPEN_SHARE = 1 / 7
LOOK_EVERY = 10


class Reading:
    """One connection, and readers drawn by chance."""

    def __init__(self, client, seed):
        self.client, self.draw = client, random.Random(seed)
        self.connection = http.client.HTTPConnection("127.0.0.1", client.port)

    def step(self, opens):
        reader = f"reader-{self.draw.randrange(READERS)}"
        if opens:
            event = {"id": f"x{self.draw.getrandbits(60)}", "type": "open", "item": f"item-{self.draw.randrange(ITEMS)}"}
            self.client.ask(self.connection, "/v1/events", json.dumps({"user": reader, "events": [event]}))
        path = f"/v1/feed?user={reader}&limit=20"
        following = json.loads(self.client.ask(self.connection, path))["page"].get("next")
        if following and self.draw.random() < NEXT_SHARE:
            self.client.ask(self.connection, f"{path}&cursor={following}")

    def fill(self, steps):
        for _ in range(steps):
            self.step(opens=True)

    def steady(self, pause, end):
        due = time.monotonic()
        while time.monotonic() < end:
            due += pause
            time.sleep(max(0, due - time.monotonic()))
            self.step(opens=self.draw.random() < OPEN_SHARE)


def all_of(work):
    """Threads that run `work` with a seed of their own each."""
    return [threading.Thread(target=work, args=(seed,)) for seed in range(TELLERS)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--rate", type=float, default=40, help="steps a second")
    parser.add_argument("--binary", default=str(BINARY))
    arguments = parser.parse_args()
    with Rig(arguments.binary) as rig:
        rig.load(ITEMS)
        process, client = rig.serve(workers=2)
        teach(client, ITEMS)
        fillers = all_of(lambda seed: Reading(client, seed).fill(OPENS_TO_FILL // TELLERS))
        for thread in fillers:
            thread.start()
        for thread in fillers:
            thread.join()
        start = time.monotonic()
        end = start + 60 * arguments.minutes
        steadies = all_of(lambda seed: Reading(client, TELLERS + seed).steady(TELLERS / arguments.rate, end))
        for thread in steadies:
            thread.start()
        points = []
        while time.monotonic() < end:
            points.append((time.monotonic() - start, resident_bytes(process) / 2**20))
            if len(points) % (60 // LOOK_EVERY) == 1:
                print(f"{points[-1][0]:5.0f} s {points[-1][1]:.1f} MiB", flush=True)
            time.sleep(LOOK_EVERY)
        for thread in steadies:
            thread.join()
    seconds, mebibytes = np.array(points).T
    print(f"slope {np.polyfit(seconds, mebibytes, 1)[0] * 3600:+.1f} MiB an hour; least {mebibytes.min():.0f}, most {mebibytes.max():.0f} MiB")


if __name__ == "__main__":
    main()
