"""What the measurements of a whole request have in common: a Redis, a catalogue, the server, and readers with a history.

Needs numpy for the catalogue. The figure is user + system time of the server process ÷ requests, so the client and other work on
the machine do not count.
"""
import contextlib
import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/polyphony"
READERS = 200
OPENS = 25
CLIENTS = 8
# Threads that report what readers did.
TELLERS = 4
# Rows made at once.
SLICE = 100_000
# Of a process: all the time its threads were scheduled (linux/posix-timers.h).
CPUCLOCK_SCHED = 2


def built(bench):
    """The executable of one of the package's benches; cargo builds it if it must."""
    command = ["cargo", "bench", "--bench", bench, "--no-run", "--message-format=json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout.splitlines()
    artifacts = [json.loads(line) for line in lines if line.startswith("{")]
    return [line["executable"] for line in artifacts if line.get("target", {}).get("name") == bench][-1]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def processor_seconds(pid):
    """User and system time of a process, as clock_getcpuclockid(3) names its clock: in nanoseconds, where /proc counts hundredths."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def catalogue(folder, items, dimension=384, embeddings=None):
    """Items and their embeddings: real rows (of 384 numbers) where given, each copy with noise of its own; otherwise clusters."""
    draw = np.random.default_rng(7)
    real = np.fromfile(embeddings, dtype="<f2").reshape(-1, dimension).astype(np.float32) if embeddings else None
    centres = draw.normal(size=(300, dimension)).astype(np.float32)
    # A topic is a region of the space, so that likings and embeddings agree.
    planes = draw.normal(size=(dimension, 5)).astype(np.float32)
    topics = np.empty(items, dtype=np.int64)
    with open(folder / "items.f16.bin", "wb") as file:
        for first in range(0, items, SLICE):
            at = np.arange(first, min(first + SLICE, items))
            base = real[at % len(real)] if real is not None else centres[draw.integers(300, size=len(at))] * 0.06
            rows = base + draw.normal(scale=0.02, size=base.shape).astype(np.float32)
            rows /= np.linalg.norm(rows, axis=1, keepdims=True)
            topics[at] = ((rows @ planes) > 0) @ (1 << np.arange(5))
            rows.astype("<f2").tofile(file)
    (folder / "items.ids.txt").write_text("".join(f"item-{n}\n" for n in range(items)))
    now = int(time.time())
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


def teach(client, items, readers=READERS, opens=OPENS, first=0):
    """Readers `first` and following each open that many items, drawn anew for each."""

    def tell(some):
        connection = http.client.HTTPConnection("127.0.0.1", client.port)
        for reader in some:
            chosen = np.random.default_rng([11, reader]).integers(items, size=opens).tolist()
            for begin in range(0, opens, 1_000):
                batch = enumerate(chosen[begin:begin + 1_000], begin)
                events = [{"id": f"r{reader}-{n}", "type": "open", "item": f"item-{item}"} for n, item in batch]
                client.ask(connection, "/v1/events", json.dumps({"user": f"reader-{reader}", "events": events}))

    threads = [threading.Thread(target=tell, args=(range(first + n, first + readers, TELLERS),)) for n in range(TELLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def stages(client):
    """Seconds each stage took so far."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port)
    start = 'feed_stage_duration_seconds_sum{stage="'
    lines = client.ask(connection, "/metrics").decode().splitlines()
    return {line.split('"')[1]: float(line.split(" ")[-1]) for line in lines if line.startswith(start)}


def pages(count, readers=READERS, limit=20):
    return [f"/v1/feed?user=reader-{n % readers}&limit={limit}" for n in range(count)]


def following(paths, answers):
    """The next page of each."""
    return [f"{path}&cursor={json.loads(answer)['page']['next']}" for path, answer in zip(paths, answers)]


class Rig:
    """Everything that runs, and its folder. Stops all of it at the end."""

    def __init__(self, binary=BINARY):
        self.binary, self.processes = str(binary), []

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.redis_port = free_port()
        self.redis = f"redis://127.0.0.1:{self.redis_port}/0"
        command = ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.start(command, stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            process.kill()
        shutil.rmtree(self.folder)

    def start(self, command, **how):
        process = subprocess.Popen(command, **how)
        self.processes.append(process)
        return process

    def load(self, items, dimension=384, embeddings=None):
        """Makes a catalogue and brings it into Redis."""
        catalogue(self.folder, items, dimension, embeddings)
        self.bring(f"catalogue.dimension={dimension}")

    def bring(self, *settings):
        """Brings the catalogue that was made into Redis."""
        flags = [flag for setting in ("store.redis.timeout=5s", *settings) for flag in ("--set", setting)]
        command = [self.binary, "import", "--redis", self.redis, *flags, "jsonl", str(self.folder / "items.jsonl"),
                   "--embeddings", str(self.folder / "items.f16.bin")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def serve(self, *settings, workers=1):
        """A server that is ready, and a client of it."""
        port = free_port()
        flags = [flag for setting in settings for flag in ("--set", setting)]
        command = [self.binary, "serve", "--redis", self.redis, "--data", str(self.folder), "--listen", f"127.0.0.1:{port}",
                   "--set", "telemetry.log_level=warn", "--set", f"server.workers={workers}", "--set", "consent.default=assumed", *flags]
        process = self.start(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ready(port, "/readyz")
        return process, Client(port)

    def stop(self, process):
        process.terminate()
        process.wait()
        self.processes.remove(process)

    def redis_bytes(self):
        info = subprocess.run(["redis-cli", "-p", str(self.redis_port), "info", "memory"], check=True, capture_output=True, text=True).stdout
        return int(next(line for line in info.splitlines() if line.startswith("used_memory:")).split(":")[1])


def resident_bytes(process):
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def measured(process, client, paths):
    """Microseconds of the process's time per request, and the answers."""
    before = processor_seconds(process.pid)
    answers = client.send(paths)
    spent = processor_seconds(process.pid) - before
    return spent / len(paths) * 1e6, answers


