/** Ranking on the device against vectors that the server's own code made (`tests/it/device_kit.rs`). */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { score, select, similarity, type Candidate } from "../src/index.js";
import { compareIds } from "../src/score.js";
import type { LocalConstraint, LocalRanking } from "../src/types.js";

interface Vector {
  weights: Record<string, number>;
  ranking: LocalRanking;
  taste: { topics: [string, number][]; creators: [string, number][]; follows: string[]; dislikes: [string, number][] };
  candidates: Candidate[];
  raw: number[];
  relevance: number[];
  slate: [string, number][];
}

const vectors = JSON.parse(await readFile(new URL("../../test/vectors.json", import.meta.url), "utf8")) as Vector[];
const f = Math.fround;

test("relevance is the server's", () => {
  for (const [at, vector] of vectors.entries()) {
    const { topics, creators, follows, dislikes } = vector.taste;
    const taste = { topics: new Map(topics), creators: new Map(creators), follows: new Set(follows), dislikes: new Map(dislikes) };
    // In another order than they came: the order is the ranking's alone.
    const shuffled = [...vector.candidates].sort((a, b) => a.id.charCodeAt(2) - b.id.charCodeAt(2));
    const scored = score(shuffled, taste, vector.weights, vector.ranking.normalize);
    assert.deepEqual(scored.map(({ candidate }) => candidate.id), vector.candidates.map(({ id }) => id), `case ${at}`);
    for (const [place, { raw, relevance, contributions }] of scored.entries()) {
      assert.ok(Math.abs(raw - (vector.raw[place] ?? 9)) < 1e-6, `case ${at}, place ${place}`);
      assert.ok(Math.abs(relevance - (vector.relevance[place] ?? 9)) < 1e-6, `case ${at}, place ${place}`);
      const sum = Object.values(contributions).reduce((a, b) => a + b, 0);
      assert.ok(Math.abs(sum - raw) < 1e-6, "a score is the sum of its parts");
    }
  }
});

test("the slate is the server's, bit for bit", () => {
  assert.equal(vectors.length, 12);
  for (const [at, vector] of vectors.entries()) {
    const scored = vector.candidates.map((candidate, place) => ({ candidate, raw: 0, relevance: f(vector.relevance[place] ?? 9), contributions: {} }));
    const slate = select(scored, vector.ranking).map(({ id, objective }) => [id, objective]);
    assert.deepEqual(slate, vector.slate.map(([id, objective]) => [id, f(objective)]), `case ${at}`);
    assert.notDeepEqual(slate.map(([id]) => id), vector.ranking.method === "none" ? [] : vector.candidates.map(({ id }) => id), `case ${at} says something`);
  }
});

test("ties go to relevance, then to the lower id by code point", () => {
  const candidate = (id: string): Candidate => ({ id, topics: [] });
  const scored = ["\u{1f980}", "\uff5e", "b", "a"].map((id) => ({ candidate: candidate(id), raw: 0, relevance: 0.5, contributions: {} }));
  scored.sort((a, b) => compareIds(a.candidate.id, b.candidate.id));
  const ranking: LocalRanking = { normalize: "none", method: "mmr", diversity: 0.5, lambda: 0.5, aggregate: "mean", window: 0, pool: 100, similarity: {}, constraints: [] };
  assert.deepEqual(select(scored, ranking).map(({ id }) => id), ["a", "b", "\uff5e", "\u{1f980}"]);
});

test("likeness is over the axes both have", () => {
  const a: Candidate = { id: "a", topics: [{ topic: "science", weight: 1 }, { topic: "space", weight: 0.5 }], creator: "c1" };
  const weights = { topic: 0.4, creator: 0.2, embedding: 0.3 };
  assert.equal(similarity(a, { id: "b", topics: [] }, weights), f(0.1), "two items with no axis in common");
  assert.equal(similarity(a, { ...a, id: "b" }, weights), 1);
  assert.equal(similarity(a, { id: "b", topics: [], creator: "c2" }, weights), 0);
  const half = similarity(a, { id: "b", topics: [{ topic: "science", weight: 1 }] }, weights);
  assert.ok(Math.abs(half - 1 / 1.5) < 1e-6);
});

test("the policy's rules hold on the device, the first declared first", () => {
  const candidates: Candidate[] = Array.from({ length: 40 }, (_, n) => ({
    id: `i${String(n).padStart(2, "0")}`,
    topics: [{ topic: n < 30 ? "politics" : `t${n % 5}`, weight: 1 }],
    creator: `c${n % 4}`,
    viewpoint: n % 10 === 9 ? "left" : "right",
  }));
  const scored = candidates.map((candidate, n) => ({ candidate, raw: 0, relevance: 1 - n / 40, contributions: {} }));
  const base: LocalRanking = { normalize: "none", method: "mmr", diversity: 0, lambda: 1, aggregate: "mean", window: 0, pool: 100, similarity: {}, constraints: [] };
  const order = (constraints: LocalConstraint[]): Candidate[] =>
    select(scored, { ...base, constraints }).map(({ id }) => candidates.find((one) => one.id === id) as Candidate);
  const gap = order([{ kind: "min_gap", facet: "creator", gap: 2 }]);
  gap.slice(0, 20).forEach((item, at) => assert.ok(gap.slice(Math.max(0, at - 2), at).every(({ creator }) => creator !== item.creator)));
  const share = order([{ kind: "max_share", facet: "topic", value: "politics", max: 2, per: 5, top: 10 }]);
  for (let at = 0; at + 5 <= 10; at += 1) assert.ok(share.slice(at, at + 5).filter(({ topics }) => topics[0]?.topic === "politics").length <= 2);
  const distinct = order([{ kind: "min_distinct", facet: "topic", min: 3, per: 5 }]);
  for (const at of [0, 5, 10]) assert.ok(new Set(distinct.slice(at, at + 5).map(({ topics }) => topics[0]?.topic)).size >= 3);
  const least = order([{ kind: "min_share", facet: "viewpoint", value: "left", min: 1, per: 5 }]);
  for (const at of [0, 5, 10]) assert.ok(least.slice(at, at + 5).some(({ viewpoint }) => viewpoint === "left"));
  assert.equal(order([{ kind: "pin", facet: "topic", value: "t3", position: 2 }])[2]?.topics[0]?.topic, "t3");
  // What cannot be had gives way, and the slate is whole.
  assert.equal(order([{ kind: "pin", facet: "topic", value: "nothing", position: 0 }]).length, 40);
});
