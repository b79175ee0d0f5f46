#!/usr/bin/env python3
"""How the cost of a request, and memory, grow with each thing that grows: items, history, pool, page, readers.

  cargo build --release
  benches/ceiling/growth.py items|history|pool|page|readers [--plot FILE.svg]

Each point is the median of several turns of first pages (and of next pages), as server processor time per request, against the bare
profile of the smallest point in the same run: compare ratios. `items` at 128 dimensions, the rest with 20,000 items. Needs numpy.
"""
import argparse
import http.client
import json
import math
import statistics

from rig import BINARY, READERS, Rig, following, measured, pages, resident_bytes, teach

DIMENSION = 128
ITEMS = 20_000
TURNS = 5
REQUESTS = 600
# Room beside a plot for the last number.
RIGHT = 44


def cost(process, client, readers=READERS, limit=20, requests=REQUESTS):
    """Median microseconds of a first page and of a next page."""
    first = pages(requests, readers, limit)
    client.send(first[:readers])
    turns = []
    for _ in range(TURNS):
        one, answers = measured(process, client, first)
        two, _ = measured(process, client, following(first, answers))
        turns.append((one, two))
    return [statistics.median(turn[at] for turn in turns) for at in (0, 1)]


def dimension(*settings):
    return (f"catalogue.dimension={DIMENSION}", *settings)


def items(binary):
    for count in (10_000, 100_000, 1_000_000):
        with Rig(binary) as rig:
            rig.load(count, DIMENSION)
            process, client = rig.serve(*dimension())
            teach(client, count)
            one, two = cost(process, client)
            yield count, one, two, resident_bytes(process), rig.redis_bytes()


def history(binary):
    """Events of each reader."""
    with Rig(binary) as rig:
        rig.load(ITEMS, DIMENSION)
        process, client = rig.serve(*dimension())
        readers = 5
        done = 0
        for events in (10, 100, 1_000, 10_000, 100_000):
            # Each point goes on from the one before, with readers who have more behind them.
            for first in range(readers):
                teach_more(client, first, done, events)
            done = events
            one, two = cost(process, client, readers)
            yield events, one, two, resident_bytes(process), rig.redis_bytes()


def teach_more(client, reader, begin, end):
    """Opens number `begin` to `end` of a reader."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    for first in range(begin, end, 1_000):
        numbers = range(first, min(first + 1_000, end))
        events = [{"id": f"r{reader}-{n}", "type": "open", "item": f"item-{(reader * 7919 + n * 104729) % ITEMS}"} for n in numbers]
        client.ask(connection, "/v1/events", json.dumps({"user": f"reader-{reader}", "events": events}))


def pool(binary):
    """Candidates that are gathered, kept and diversified."""
    with Rig(binary) as rig:
        rig.load(ITEMS, DIMENSION)
        for size in (100, 500, 1_000, 2_000, 5_000):
            process, client = rig.serve(*dimension(f"policy.retrieve.candidates={size}", f"policy.feed.length={size}", f"policy.diversify.pool={size}"))
            if size == 100:
                teach(client, ITEMS)
            one, two = cost(process, client)
            yield size, one, two, resident_bytes(process), rig.redis_bytes()
            rig.stop(process)


def page(binary):
    with Rig(binary) as rig:
        rig.load(ITEMS, DIMENSION)
        process, client = rig.serve(*dimension())
        teach(client, ITEMS)
        for limit in (10, 20, 50, 100):
            one, two = cost(process, client, limit=limit)
            yield limit, one, two, resident_bytes(process), rig.redis_bytes()


def readers(binary):
    """Readers with five opens each: memory is in Redis."""
    with Rig(binary) as rig:
        rig.load(ITEMS, DIMENSION)
        process, client = rig.serve(*dimension())
        done = 0
        for count in (1_000, 10_000, 100_000, 1_000_000):
            teach(client, ITEMS, count - done, 5, done)
            done = count
            one, two = cost(process, client, count, requests=max(REQUESTS, 1_500))
            yield count, one, two, resident_bytes(process), rig.redis_bytes()


def plot(name, rows, path):
    """Both axes logarithmic: a straight line of slope 1 is proportional growth."""
    width, height, left, bottom, top = 520, 340, 64, 44, 28
    xs = [math.log10(row[0]) for row in rows]
    series = [("first page", "#1f6f8b", [row[1] for row in rows]), ("next page", "#c8553d", [row[2] for row in rows])]
    low = math.floor(min(math.log10(max(value, 1)) for _, _, values in series for value in values))
    high = math.ceil(max(math.log10(max(value, 1)) for _, _, values in series for value in values))
    x = lambda value: left + (value - xs[0]) / (xs[-1] - xs[0]) * (width - left - RIGHT)
    y = lambda value: height - bottom - (math.log10(max(value, 1)) - low) / (high - low) * (height - bottom - top)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#fff"/><text x="{left}" y="18" font-weight="bold">Processor time per request, µs, by {name}</text>']
    for power in range(low, high + 1):
        parts.append(f'<path d="M{left} {y(10 ** power):.1f}H{width - RIGHT}" stroke="#ddd"/><text x="{left - 8}" y="{y(10 ** power) + 4:.1f}" text-anchor="end">{10 ** power:,}</text>')
    for at, row in zip(xs, rows):
        parts.append(f'<text x="{x(at):.1f}" y="{height - bottom + 18}" text-anchor="middle">{row[0]:,}</text>')
    for number, (label, colour, values) in enumerate(series):
        line = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in zip(xs, values))
        dots = "".join(f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>' for at, value in zip(xs, values))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}')
        parts.append(f'<text x="{left + 130 * number}" y="{height - 8}" fill="{colour}">{label}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(parts) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    measures = {measure.__name__: measure for measure in (items, history, pool, page, readers)}
    parser.add_argument("what", choices=measures)
    parser.add_argument("--binary", default=str(BINARY))
    parser.add_argument("--plot", metavar="FILE.svg")
    arguments = parser.parse_args()
    print(f"| {arguments.what} | first page µs | ÷ smallest | next page µs | ÷ smallest | server MiB | Redis MiB |\n|---|---|---|---|---|---|---|", flush=True)
    rows = []
    for row in measures[arguments.what](arguments.binary):
        rows.append(row)
        size, one, two, resident, redis = row
        print(f"| {size:,} | {one:.0f} | {one / rows[0][1]:.2f} | {two:.0f} | {two / rows[0][2]:.2f} | {resident / 2**20:.0f} | {redis / 2**20:.0f} |", flush=True)
    if arguments.plot:
        plot(arguments.what, rows, arguments.plot)


if __name__ == "__main__":
    main()
