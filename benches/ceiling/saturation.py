#!/usr/bin/env python3
"""Latency at half of what the server can do, and what it still does when three times that is asked of it.

  cargo build --release && cargo bench --bench load --no-run
  benches/ceiling/saturation.py [--embeddings FILE.f16.bin] [--items 100000] [--half-seconds 600]

The server has one worker on one core; Redis and the client share the others. 1. The greatest rate of served pages, in a closed loop.
2. Half of that rate, open loop: p99 ÷ p50 of what is served. 3. Three times that rate, open loop: pages served ÷ the greatest rate, and how soon a
refusal comes. Three first pages to one next page. Needs numpy and taskset.
"""
import argparse
import json
import subprocess

from rig import BINARY, READERS, Rig, built, teach

# Of first pages.
NEXT_SHARE = "0.33"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--half-seconds", type=float, default=600)
    parser.add_argument("--overload-seconds", type=float, default=30)
    parser.add_argument("--binary", default=str(BINARY))
    parser.add_argument("--load", help="the compiled client; default: asks cargo for it")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="settings of the server")
    arguments = parser.parse_args()
    client_binary = arguments.load or built("load")
    with Rig(arguments.binary) as rig:
        rig.load(arguments.items, embeddings=arguments.embeddings)
        process, client = rig.serve(*arguments.settings)
        subprocess.run(["taskset", "-a", "-p", "-c", "0", str(process.pid)], check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["taskset", "-a", "-p", "-c", "1-64", str(rig.processes[0].pid)], check=True, stdout=subprocess.DEVNULL)
        teach(client, arguments.items)

        def load(rate, seconds):
            command = ["taskset", "-c", "1-64", client_binary, str(client.port), str(rate), str(seconds), str(READERS), NEXT_SHARE]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        load(0, 5)
        peak = max(load(0, 10)["served_per_second"] for _ in range(3))
        # A visit is one first page and sometimes the next.
        visits = peak / (1 + float(NEXT_SHARE))
        half = load(visits / 2, arguments.half_seconds)
        over = load(visits * 3, arguments.overload_seconds)
        after = load(visits / 2, 10)
    print(f"greatest: {peak:.0f} pages/s on one core\n")
    print("| asked | served/s | ÷ greatest | p50 ms | p99 ms | p99 ÷ p50 | p99.9 ms | refused | refused p50, p99, max ms | failed | asked again |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, run in [("half", half), ("three times", over), ("half, right after", after)]:
        ms, no = run["served_ms"], run["refused_ms"]
        print(f"| {name} | {run['served_per_second']:.0f} | {run['served_per_second'] / peak:.2f} | {ms['p50']:.2f} | {ms['p99']:.2f} | "
              f"{ms['p99'] / max(ms['p50'], 0.001):.1f} | {ms['p999']:.1f} | {run['refused']} | {no['p50']:.1f}, {no['p99']:.1f}, {no['max']:.1f} | {run['failed']} | {run['asked_again']} |")


if __name__ == "__main__":
    main()
