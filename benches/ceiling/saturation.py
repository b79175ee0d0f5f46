#!/usr/bin/env python3
"""Latency at half of what the server can do, and what it still does when three times that is asked of it.

  cargo build --release && cargo bench --bench load --no-run
  benches/ceiling/saturation.py [--embeddings FILE.f16.bin] [--items 100000] [--half-seconds 600]

The server has one worker on one core; Redis and the client share the others. 1. The greatest rate of served pages, in a closed loop.
2. Half of that rate, open loop: p99 ÷ p50 of what is served. 3. Four thirds of that rate, then three times it, open loop: pages served ÷ the greatest
rate, how many feeds were made of fewer candidates for it, and how soon a refusal comes. 4. Half of it again while every item of the catalogue is changed, over and over. Three first pages to one next page. Needs
numpy and taskset.
"""
import argparse
import http.client
import json
import subprocess
import threading
import time

from rig import BINARY, READERS, Rig, built, teach

# Of first pages.
NEXT_SHARE = "0.33"


class Importing:
    """Brings the whole catalogue again and again, each time with other titles, for as long as it is entered."""

    def __init__(self, rig, dimension_setting):
        self.rig, self.setting = rig, dimension_setting
        self.rounds, self.is_over = 0, False

    def __enter__(self):
        self.began = time.monotonic()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        self.thread.join()
        self.seconds = time.monotonic() - self.began

    def run(self):
        file, title = self.rig.folder / "items.jsonl", "A story"
        while not self.is_over:
            self.rounds += 1
            before, title = title, f"Version {self.rounds} of a story"
            file.write_text(file.read_text().replace(f'"{before} with', f'"{title} with'))
            self.rig.bring(self.setting)


def counted(client):
    """Pages, their summed ILD, and feeds that were made of fewer candidates, since the server began."""
    lines = client.ask(http.client.HTTPConnection("127.0.0.1", client.port), "/metrics").decode().splitlines()
    total = lambda start, has="": sum(float(line.split(" ")[-1]) for line in lines if line.startswith(start) and has in line)
    return total("feed_ild_ratio_count"), total("feed_ild_ratio_sum"), total("feed_degraded_total", 'reason="overload"')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--half-seconds", type=float, default=600)
    parser.add_argument("--overload-seconds", type=float, default=30)
    parser.add_argument("--importing-seconds", type=float, default=30)
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
            before = counted(client)
            run = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            pages, ild, less = (now - then for now, then in zip(counted(client), before))
            return {**run, "ild": ild / pages, "less": less / pages}

        load(0, 5)
        peaks = [load(0, 10) for _ in range(3)]
        peak = max(run["served_per_second"] for run in peaks)
        # A visit is one first page and sometimes the next.
        visits = peak / (1 + float(NEXT_SHARE))
        half = load(visits / 2, arguments.half_seconds)
        third_more = load(visits * 4 / 3, arguments.overload_seconds)
        over = load(visits * 3, arguments.overload_seconds)
        after = load(visits / 2, 10)
        with Importing(rig, "catalogue.dimension=384") as importing:
            busy = load(visits / 2, arguments.importing_seconds)
    changed = importing.rounds * arguments.items / importing.seconds
    print(f"greatest: {peak:.0f} pages/s on one core; {changed:.0f} items a second were changed in the last row; "
          f"{max(run['less'] for run in peaks):.2f} of the pages at the greatest rate were made of fewer candidates\n")
    print("| asked | served/s | ÷ greatest | p50 ms | p99 ms | p99 ÷ p50 | p99.9 ms | refused | of these next pages | refused p50, p99, max ms | failed | asked again | made of less | mean ILD |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for name, run in [("half", half), ("a third more", third_more), ("three times", over), ("half, right after", after), ("half, importing", busy)]:
        ms, no = run["served_ms"], run["refused_ms"]
        print(f"| {name} | {run['served_per_second']:.0f} | {run['served_per_second'] / peak:.2f} | {ms['p50']:.2f} | {ms['p99']:.2f} | "
              f"{ms['p99'] / max(ms['p50'], 0.001):.1f} | {ms['p999']:.1f} | {run['refused']} | {run['refused_next']} | {no['p50']:.1f}, {no['p99']:.1f}, {no['max']:.1f} | {run['failed']} | {run['asked_again']} | {run['less']:.2f} | {run['ild']:.3f} |")


if __name__ == "__main__":
    main()
