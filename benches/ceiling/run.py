#!/usr/bin/env python3
"""Server processor time per request: the feed against a bare handler that reads one profile (benches/ceiling/main.rs), and against
one that keeps what a next page promises and does nothing else (benches/ceiling/floor.rs).

  cargo build --release && cargo bench --bench ceiling --no-run
  benches/ceiling/run.py [--embeddings FILE.f16.bin] [--items 100000] [--dimension 384] [--pairs 10]

Starts redis-server on loopback, imports a catalogue of that many items, tells the server about readers, and sends the same
number of requests to both servers in turns; the ratio compares figures of one pair. Needs numpy for the catalogue.
"""
import argparse
import http.client
import statistics
import subprocess
import time

from rig import BINARY, READERS, Client, Rig, built, following, free_port, measured, pages, ready, stages, teach


def start_ceiling(rig, executable, body_bytes):
    for reader in range(READERS):
        command = ["redis-cli", "-p", str(rig.redis_port), "-x", "set", f"ceiling:reader-{reader}"]
        subprocess.run(command, input=b"p" * 4096, check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    process = rig.start([executable, str(port), rig.redis, str(body_bytes), "1"])
    ready(port, "/v1/feed?user=reader-0")
    return process, Client(port)


def turns(feed, client, bare, bare_client, requests, pairs):
    """Microseconds of ceiling, first page, ceiling, next page and floor, a row for each pair; and of each stage on first and next pages."""
    first = pages(requests)
    bare_client.send(first)
    promised = [path.replace("/v1/feed", "/v1/floor") for path in first]
    bare_client.send(promised)
    rows, took = [], []
    for _ in range(pairs):
        ceiling, _ = measured(bare, bare_client, first)
        clock = [stages(client)]
        one, answers = measured(feed, client, first)
        clock.append(stages(client))
        ceiling_again, _ = measured(bare, bare_client, first)
        two, _ = measured(feed, client, following(first, answers))
        clock.append(stages(client))
        least, _ = measured(bare, bare_client, promised)
        rows.append((ceiling, one, ceiling_again, two, least))
        took.append([{name: (after[name] - before.get(name, 0)) / requests * 1e6 for name in after} for before, after in zip(clock, clock[1:])])
    return rows, took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--binary", default=str(BINARY))
    parser.add_argument("--ceiling", help="the compiled bare server; default: asks cargo for it")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="settings of the server")
    arguments = parser.parse_args()
    ceiling = arguments.ceiling or built("ceiling")
    with Rig(arguments.binary) as rig:
        rig.load(arguments.items, arguments.dimension, arguments.embeddings)
        started = time.monotonic()
        feed, client = rig.serve(f"catalogue.dimension={arguments.dimension}", *arguments.settings)
        print(f"{arguments.items} items loaded in {time.monotonic() - started:.1f} s")
        teach(client, arguments.items)
        body = client.send(pages(READERS))
        size = round(statistics.mean(map(len, body)))
        client.ask(http.client.HTTPConnection("127.0.0.1", client.port), "/v1/feed?limit=20")
        bare, bare_client = start_ceiling(rig, ceiling, size)
        rows, took = turns(feed, client, bare, bare_client, arguments.requests, arguments.pairs)
    print(f"body {size} bytes, {arguments.requests} requests a turn, {arguments.pairs} pairs; medians\n")
    column = lambda at: statistics.median(row[at] for row in rows)
    print("| | server processor time per request, µs | ÷ ceiling |\n|---|---|---|")
    print(f"| ceiling | {column(0):.0f} | 1 |")
    print(f"| first page | {column(1):.0f} | {statistics.median(row[1] / row[0] for row in rows):.2f} |")
    print(f"| next page | {column(3):.0f} | {statistics.median(row[3] / row[2] for row in rows):.2f} |")
    print(f"| floor of a next page | {column(4):.0f} | {statistics.median(row[4] / row[2] for row in rows):.2f} |")
    print(f"\nRequests a second one core could serve: {1e6 / column(0):.0f}, {1e6 / column(1):.0f}, {1e6 / column(3):.0f}\n")
    # The store is waited for; all else is work, and nothing else runs meanwhile on the one worker.
    print("| stage, µs | first page | next page |\n|---|---|---|")
    for name in ("candidates", "score", "diversify", "hydrate", "store"):
        one, two = (statistics.median(turn[at][name] for turn in took) for at in (0, 1))
        print(f"| {name}{' (waiting, with what others do meanwhile)' if name == 'store' else ''} | {one:.0f} | {two:.0f} |")


if __name__ == "__main__":
    main()
