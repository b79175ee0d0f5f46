#!/usr/bin/env python3
"""The ranking engine beside pyversity and Qdrant's embedded engine: the same vectors, one run, one thread.

  pip install -r benches/peers/requirements.txt
  benches/peers/compare.py EMBEDDINGS.f16.bin [--dimension 384] [--candidates 1000] [--slots 50] [--pools 5]

For each pool: the candidates nearest to a random item, relevance = cosine to it. Prints medians of processor time in
microseconds and, for each method, how many of the chosen items the other library chose too.
Qdrant ranks by its own cosine and searches first: its figure is its MMR query less its plain query of the same limit.
"""
import argparse
import json
import os
import pathlib
import statistics
import struct
import subprocess
import tempfile
import time

# One thread for everybody, before numpy loads its kernels.
for variable in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"]:
    os.environ[variable] = "1"

import numpy as np
import pyversity
import qdrant_edge as qdrant

LAMBDA = 0.7
ROOT = pathlib.Path(__file__).resolve().parents[2]


def clock(work, repeats):
    """Median processor time of this process in µs, and the last result."""
    times = []
    for _ in range(repeats):
        before = time.process_time_ns()
        result = work()
        times.append((time.process_time_ns() - before) / 1000)
    return statistics.median(times), result


def ours(binary, rows, relevance, dpp_relevance, slots):
    with tempfile.NamedTemporaryFile(suffix=".pool") as file:
        file.write(struct.pack("<IIIf", *rows.shape, slots, LAMBDA))
        file.write(relevance.astype("<f4").tobytes() + dpp_relevance.astype("<f4").tobytes() + rows.astype("<f2").tobytes())
        file.flush()
        lines = subprocess.run([*binary, "pool", file.name], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    return {answer["method"]: answer for answer in map(json.loads, lines.splitlines())}


class Edge:
    """Qdrant's engine with every vector in one shard, without an index: it searches all of them."""

    def __init__(self, rows, folder):
        config = qdrant.EdgeConfig(vectors=qdrant.EdgeVectorParams(size=rows.shape[1], distance=qdrant.Distance.Cosine))
        self.shard = qdrant.EdgeShard.create(folder, config)
        points = [qdrant.Point(number, row.tolist(), {}) for number, row in enumerate(rows)]
        for first in range(0, len(points), 500):
            self.shard.update(qdrant.UpdateOperation.upsert_points(points[first : first + 500]))

    def mmr(self, query, candidates, slots):
        mmr = qdrant.Mmr(query.tolist(), LAMBDA, candidates)
        return self.shard.query(qdrant.QueryRequest(limit=slots, query=mmr))

    def nearest(self, query, limit):
        nearest = qdrant.Query.Nearest(query.tolist())
        return self.shard.query(qdrant.QueryRequest(limit=limit, query=nearest))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings")
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=50)
    parser.add_argument("--pools", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--binary", help="the compiled benchmark; default: cargo bench --bench rank --")
    arguments = parser.parse_args()
    binary = [arguments.binary] if arguments.binary else ["cargo", "bench", "--quiet", "--bench", "rank", "--"]

    everything = np.fromfile(arguments.embeddings, dtype="<f2").reshape(-1, arguments.dimension)
    wide = everything.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    draw = np.random.default_rng(7)
    columns = {name: [] for name in ["mmr", "mmr scan", "pyversity mmr", "qdrant mmr", "dpp", "dpp scan", "pyversity dpp"]}
    shared = {"pyversity mmr": [], "qdrant mmr": [], "pyversity dpp": []}
    diversity = 1 - LAMBDA
    for _ in range(arguments.pools):
        query = wide[draw.integers(len(wide))]
        cosine = wide @ query
        order = np.argsort(-cosine, kind="stable")[: arguments.candidates]
        rows, relevance = np.ascontiguousarray(wide[order]), np.ascontiguousarray(cosine[order])
        # pyversity weighs w = exp((1 − diversity)·z): its 2·ln w in our λ·r + (1 − λ)·ln d².
        z = (relevance - relevance.mean()) / relevance.std()
        dpp_relevance = 2 * LAMBDA * z * (1 - LAMBDA) / LAMBDA
        mine = ours(binary, everything[order], relevance, dpp_relevance, arguments.slots)
        for method in ["mmr", "dpp"]:
            columns[method].append(mine[method]["lazy_us"])
            columns[method + " scan"].append(mine[method]["scan_us"])
        for method, strategy in [("mmr", pyversity.Strategy.MMR), ("dpp", pyversity.Strategy.DPP)]:
            work = lambda: pyversity.diversify(rows, relevance, arguments.slots, strategy=strategy, diversity=diversity)
            took, result = clock(work, arguments.repeats)
            columns[f"pyversity {method}"].append(took)
            shared[f"pyversity {method}"].append(len(set(result.indices.tolist()) & set(mine[method]["ids"])) / arguments.slots)
        with tempfile.TemporaryDirectory() as folder:
            edge = Edge(rows, folder)
            with_mmr, result = clock(lambda: edge.mmr(query, arguments.candidates, arguments.slots), arguments.repeats)
            plain, _ = clock(lambda: edge.nearest(query, arguments.candidates), arguments.repeats)
            columns["qdrant mmr"].append(max(with_mmr - plain, 0))
            chosen = {point.id for point in result}
            shared["qdrant mmr"].append(len(chosen & set(mine["mmr"]["ids"])) / arguments.slots)

    medians = {name: statistics.median(times) for name, times in columns.items()}
    print(f"n = {arguments.candidates}, d = {arguments.dimension}, slots = {arguments.slots}, λ = {LAMBDA}, {arguments.pools} pools\n")
    print("| | µs | ÷ lazy | same items chosen |\n|---|---|---|---|")
    for name, took in medians.items():
        base = medians["dpp" if "dpp" in name else "mmr"]
        same = f"{statistics.mean(shared[name]):.0%}" if name in shared else ""
        print(f"| {name} | {took:.0f} | {took / base:.1f} | {same} |")


if __name__ == "__main__":
    main()
