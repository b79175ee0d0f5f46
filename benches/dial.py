#!/usr/bin/env python3
"""What the diversity dial does on real data: imports a set into a fresh store, serves it, asks for feeds.

  benches/dial.py movielens FOLDER --creators FILE --embeddings FILE [--binary target/release/polyphony]
  benches/dial.py viewpoints CATALOGUE.jsonl --embeddings FILE

Prints one row per setting of the dial: means over 50 readers of the first page of 20. Only the standard library.
Everything runs on loopback and in a temporary directory.
"""
import argparse
import collections
import json
import math
import random
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

READERS = 50
PAGE = 20
DIAL = [0, 0.1, 0.2, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
VIEWPOINT_MAP = [
    "id=ID", "topics=topic", "creator=authors", "viewpoint=bias_text", "published_at=date", "description=excerpt", "source=source",
]


def call(base, path, body=None):
    request = urllib.request.Request(base + path)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def serve(binary, data, settings):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    command = [binary, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", "--set", "telemetry.log_level=error", *flags]
    server = subprocess.Popen(command)
    base = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urllib.request.urlopen(base + "/readyz", timeout=5)
            return server, base
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise SystemExit("the server did not become ready")


def viewpoint_readers(base, catalogue):
    """Readers of one viewpoint and two topics, 20 articles each, told to the server as events."""
    by_group = collections.defaultdict(list)
    with open(catalogue, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            by_group[row["bias_text"], row["topic"]].append(row["ID"])
    draw = random.Random(7)
    groups = sorted(key for key, ids in by_group.items() if len(ids) >= 40)
    readers = []
    for number in range(READERS):
        viewpoint = ["left", "center", "right"][number % 3]
        topics = draw.sample([topic for side, topic in groups if side == viewpoint], 2)
        ids = [item for topic in topics for item in draw.sample(by_group[viewpoint, topic], 10)]
        reader = f"reader-{number}"
        events = [{"id": f"{reader}-{n}", "type": "open", "item": item} for n, item in enumerate(ids)]
        answer = call(base, "/v1/events", {"user": reader, "events": events})
        assert answer["accepted"] == len(ids), answer
        readers.append(reader)
    return readers


def entropy(values):
    counts = collections.Counter(values)
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values()) if total else 0.0


def row(base, readers, diversity):
    columns = []
    for reader in readers:
        feed = call(base, f"/v1/feed?user={reader}&diversity={diversity}&limit={PAGE}&include=metrics&hydrate=full")
        metrics = feed["metrics"]
        views = [item["item"]["viewpoint"] for item in feed["items"] if "viewpoint" in item["item"]]
        columns.append([metrics["ild"], metrics["topics"], metrics["topic_entropy"], entropy(views), metrics["relevance_kept"]])
    return [statistics.mean(column) for column in zip(*columns)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", metavar="SET", choices=["movielens", "viewpoints"])
    parser.add_argument("path")
    parser.add_argument("--creators")
    parser.add_argument("--embeddings")
    parser.add_argument("--binary", default="target/release/polyphony")
    parser.add_argument("--set", dest="settings", action="append", default=[], metavar="KEY=VALUE", help="settings of the server")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as data:
        source = ["movielens"] if arguments.data == "movielens" else ["jsonl"]
        command = [arguments.binary, "import", "--data", data, *source, arguments.path]
        if arguments.embeddings:
            command += ["--embeddings", arguments.embeddings]
        if arguments.creators:
            command += ["--creators", arguments.creators]
        if arguments.data == "viewpoints":
            command += [flag for pair in VIEWPOINT_MAP for flag in ("--map", pair)]
        subprocess.run(command, check=False)
        server, base = serve(arguments.binary, data, arguments.settings)
        try:
            if arguments.data == "movielens":
                readers = [str(number) for number in range(1, 944, 19)][:READERS]
            else:
                readers = viewpoint_readers(base, arguments.path)
            print("| diversity | intra-list diversity | topics | topic entropy (bits) | viewpoint entropy (bits) | relevance kept |")
            print("|---|---|---|---|---|---|")
            for diversity in DIAL:
                ild, topics, bits, views, kept = row(base, readers, diversity)
                print(f"| {diversity} | {ild:.3f} | {topics:.1f} | {bits:.2f} | {views:.2f} | {kept:.3f} |", flush=True)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
