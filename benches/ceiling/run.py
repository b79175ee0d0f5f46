#!/usr/bin/env python3
"""Server processor time per request: the feed against a bare handler that reads one profile (benches/ceiling/main.rs).

  cargo build --release && cargo bench --bench ceiling --no-run
  benches/ceiling/run.py [--embeddings FILE.f16.bin] [--items 100000] [--pairs 10]

Starts redis-server on loopback, imports a catalogue of that many items, tells the server about readers, and sends the same
number of requests to both servers in turns. The figure is user + system time of the server process ÷ requests, so the
client and other work on the machine do not count; the ratio compares figures of one pair. Needs numpy for the catalogue.
"""
import argparse
import http.client
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
DIMENSION = 384
READERS = 200
OPENS = 25
CLIENTS = 8
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def catalogue(folder, items, embeddings):
    """Items and their embeddings: real rows where given, each copy with noise of its own; otherwise clusters."""
    draw = np.random.default_rng(7)
    if embeddings:
        real = np.fromfile(embeddings, dtype="<f2").reshape(-1, DIMENSION).astype(np.float32)
        base = real[np.arange(items) % len(real)]
    else:
        centres = draw.normal(size=(300, DIMENSION)).astype(np.float32)
        base = centres[draw.integers(300, size=items)] * 0.06
    rows = base + draw.normal(scale=0.02, size=base.shape).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows.astype("<f2").tofile(folder / "items.f16.bin")
    (folder / "items.ids.txt").write_text("".join(f"item-{n}\n" for n in range(items)))
    now = int(time.time())
    # A topic is a region of the space, so that likings and embeddings agree.
    planes = draw.normal(size=(DIMENSION, 5)).astype(np.float32)
    topics = ((rows @ planes) > 0) @ (1 << np.arange(5))
    with open(folder / "items.jsonl", "w", encoding="utf-8") as file:
        for n in range(items):
            stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - 60 - n * 25))
            item = {
                "id": f"item-{n}", "title": f"A story with number {n} and a headline of the usual length", "published_at": stamp,
                "creator": {"id": f"creator-{n * 7919 % 2000}"}, "topics": [f"topic-{topics[n]}"], "source": f"source-{n % 40}",
                "viewpoint": ["left", "center", "right"][n % 3], "language": "en", "format": "article",
                "url": f"https://example.org/stories/{n}", "image": f"https://example.org/stories/{n}.jpg",
            }
            file.write(json.dumps(item) + "\n")


class Client:
    """Keeps connections open; sends a list of paths from several threads."""

    def __init__(self, port):
        self.port = port

    def ask(self, connection, path, body=None):
        method = "POST" if body else "GET"
        connection.request(method, path, body, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{path}: {answer.status} {data[:500]}")
        return data

    def send(self, paths):
        """Answers in the order of the paths."""
        answers = [None] * len(paths)

        def work(first):
            connection = http.client.HTTPConnection("127.0.0.1", self.port)
            for at in range(first, len(paths), CLIENTS):
                answers[at] = self.ask(connection, paths[at])

        threads = [threading.Thread(target=work, args=(first,)) for first in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers


def ready(port, path):
    for _ in range(1200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise SystemExit(f"nothing answers on port {port}")


def teach(client, items):
    """Every reader opens items around two of their own."""
    draw = np.random.default_rng(11)
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    for reader in range(READERS):
        chosen = draw.integers(items, size=OPENS)
        events = [{"id": f"r{reader}-{n}", "type": "open", "item": f"item-{item}"} for n, item in enumerate(chosen)]
        client.ask(connection, "/v1/events", json.dumps({"user": f"reader-{reader}", "events": events}))


def measured(process, client, paths):
    """Microseconds of the process's time per request, and the answers."""
    before = processor_seconds(process.pid)
    answers = client.send(paths)
    return (processor_seconds(process.pid) - before) / len(paths) * 1e6, answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--embeddings")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--requests", type=int, default=1_000)
    parser.add_argument("--binary", default=str(ROOT / "target/release/polyphony"))
    parser.add_argument("--ceiling", help="the compiled bare server; default: asks cargo for it")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="settings of the server")
    arguments = parser.parse_args()
    ceiling = arguments.ceiling
    if not ceiling:
        command = ["cargo", "bench", "--bench", "ceiling", "--no-run", "--message-format=json"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
        built = [json.loads(line) for line in lines if line.startswith("{")]
        ceiling = [line["executable"] for line in built if line.get("target", {}).get("name") == "ceiling"][-1]
    processes = []
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        redis_port, feed_port, bare_port = free_port(), free_port(), free_port()
        redis_command = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        processes.append(subprocess.Popen(redis_command, stdout=subprocess.DEVNULL))
        redis = f"redis://127.0.0.1:{redis_port}/0"
        catalogue(folder, arguments.items, arguments.embeddings)
        time.sleep(0.5)
        load = [arguments.binary, "import", "--redis", redis, "--set", "store.redis.timeout=5s", "jsonl", str(folder / "items.jsonl"),
                "--embeddings", str(folder / "items.f16.bin")]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        flags = [flag for setting in arguments.settings for flag in ("--set", setting)]
        serve = [arguments.binary, "serve", "--redis", redis, "--data", str(folder), "--listen", f"127.0.0.1:{feed_port}",
                 "--set", "telemetry.log_level=warn", "--set", "server.workers=1",
                 "--set", "consent.default=assumed", *flags]
        started = time.monotonic()
        feed = subprocess.Popen(serve, stdout=subprocess.DEVNULL)
        processes.append(feed)
        ready(feed_port, "/readyz")
        print(f"{arguments.items} items loaded in {time.monotonic() - started:.1f} s")
        client = Client(feed_port)
        teach(client, arguments.items)

        first = [f"/v1/feed?user=reader-{n % READERS}&limit=20" for n in range(arguments.requests)]
        body = client.send(first[:READERS])
        size = round(statistics.mean(map(len, body)))
        seed = http.client.HTTPConnection("127.0.0.1", feed_port)
        client.ask(seed, "/v1/feed?limit=20")
        fill = [["redis-cli", "-p", str(redis_port), "-x", "set", f"ceiling:reader-{n}"] for n in range(READERS)]
        for command in fill:
            subprocess.run(command, input=b"p" * 4096, check=True, stdout=subprocess.DEVNULL)
        bare = subprocess.Popen([ceiling, str(bare_port), redis, str(size), "1"])
        processes.append(bare)
        ready(bare_port, "/v1/feed?user=reader-0")
        bare_client = Client(bare_port)
        bare_client.send(first)

        rows = []
        for _ in range(arguments.pairs):
            floor, _ = measured(bare, bare_client, first)
            one, pages = measured(feed, client, first)
            following = [f"{path}&cursor={json.loads(page)['page']['next']}" for path, page in zip(first, pages)]
            floor_again, _ = measured(bare, bare_client, first)
            two, _ = measured(feed, client, following)
            rows.append((floor, one, floor_again, two))
        print(f"body {size} bytes, {arguments.requests} requests a turn, {arguments.pairs} pairs; medians\n")
        column = lambda at: statistics.median(row[at] for row in rows)
        print("| | server processor time per request, µs | ÷ ceiling |\n|---|---|---|")
        print(f"| ceiling | {column(0):.0f} | 1 |")
        print(f"| first page | {column(1):.0f} | {statistics.median(row[1] / row[0] for row in rows):.2f} |")
        print(f"| next page | {column(3):.0f} | {statistics.median(row[3] / row[2] for row in rows):.2f} |")
    finally:
        for process in reversed(processes):
            process.terminate()
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
