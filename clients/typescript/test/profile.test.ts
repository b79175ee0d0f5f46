/** The profile on the device: it learns, fades, forgets, and gives away little. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { DeviceProfile } from "../src/index.js";

const DAY = 86_400_000;
const START = Date.UTC(2026, 9, 9, 8);

function clocked(keepDays?: number, storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">): { profile: DeviceProfile; at: (day: number) => void } {
  let now = START;
  const profile = new DeviceProfile({ now: () => new Date(now), ...(keepDays === undefined ? {} : { keepDays }), ...(storage === undefined ? {} : { storage }) });
  return { profile, at: (day) => (now = START + day * DAY) };
}

const item = (id: string, topic: string, creator = "c1") => ({ id, title: id, topics: [{ topic, weight: 1 }], creator: { id: creator }, source: "s1" });

test("what leaves is at most eight topics with levels, by name", () => {
  const { profile } = clocked();
  for (let topic = 0; topic < 20; topic += 1) {
    for (let n = 0; n <= topic; n += 1) profile.record({ type: "open" }, item(`i${topic}-${n}`, `t${String(topic).padStart(2, "0")}`));
  }
  const interests = profile.interests();
  assert.equal(interests.length, 8);
  assert.deepEqual(interests.map(({ topic }) => topic), interests.map(({ topic }) => topic).sort());
  assert.deepEqual(interests.at(-1), { topic: "t19", level: 3 });
  assert.ok(interests.every(({ level }) => level >= 1 && level <= 3));
  assert.deepEqual(Object.keys(interests[0] ?? {}).sort(), ["level", "topic"]);
});

test("what leaves changes once a day, and at once when it is said", () => {
  const { profile, at } = clocked();
  profile.record({ type: "like" }, item("a", "science"));
  assert.deepEqual(profile.interests(), [{ topic: "science", level: 3 }]);
  for (let n = 0; n < 9; n += 1) profile.record({ type: "like" }, item(`b${n}`, "food"));
  assert.deepEqual(profile.interests(), [{ topic: "science", level: 3 }], "no single act shows");
  at(1);
  assert.deepEqual(profile.interests(), [{ topic: "food", level: 3 }, { topic: "science", level: 1 }]);
  profile.setTopic("food", 0);
  assert.deepEqual(profile.interests(), [{ topic: "science", level: 1 }], "levels are shares of the strongest liking");
  profile.setTopic("chess", 0.5);
  assert.ok(profile.interests().some(({ topic, level }) => topic === "chess" && level === 2));
  assert.throws(() => profile.setTopic("chess", 2), RangeError);
});

test("likings halve in thirty days and are forgotten after their time", () => {
  const { profile, at } = clocked(60);
  for (let n = 0; n < 4; n += 1) profile.record({ type: "open" }, item(`a${n}`, "old"));
  at(30);
  profile.record({ type: "like" }, item("b", "new"));
  const { topics } = profile.taste();
  assert.ok(Math.abs((topics.get("old") ?? 0) - (topics.get("new") ?? 0)) < 1e-9, "four opens a month ago are a like today");
  at(59);
  assert.ok(profile.taste().topics.has("old"));
  at(60);
  assert.ok(!profile.taste().topics.has("old"));
  profile.record({ type: "open" }, item("c", "newer"));
  assert.ok(!profile.export().includes("old"), "and out of the storage with the next act");
  assert.throws(() => new DeviceProfile({ keepDays: 181 }), RangeError);
});

test("times are kept as days", () => {
  const { profile } = clocked();
  profile.record({ type: "dwell", visible_ms: 36_000_000 }, item("a", "science"));
  const kept = JSON.parse(profile.export()) as { days: Record<string, { likings: Record<string, number> }> };
  assert.deepEqual(Object.keys(kept.days), [String(Math.floor(START / DAY))]);
  assert.equal(kept.days[Math.floor(START / DAY)]?.likings["topic:science"], 0.5, "ten hours are a normal read");
  assert.ok(!/\d{12,}/.test(profile.export()), "no time of day anywhere");
});

test("what is turned down and blocked does not come, and weighs against its like", () => {
  const { profile } = clocked();
  profile.record({ type: "hide" }, item("a", "science"));
  assert.ok(!profile.allows(item("a", "science")) && profile.allows(item("b", "science")));
  profile.record({ type: "hide", scope: "creator" }, item("b", "science", "c9"));
  assert.ok(!profile.allows(item("c", "food", "c9")) && profile.allows(item("c", "food", "c8")));
  profile.record({ type: "less_like", scope: "topic" }, item("d", "gossip"));
  assert.equal(profile.taste().dislikes.get("topic:gossip"), 0.75);
  profile.forget("gossip");
  assert.equal(profile.taste().dislikes.size, 0);
});

test("it is kept where the page says, taken along, and cleared", () => {
  const kept = new Map<string, string>();
  const storage = { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => void kept.set(key, value), removeItem: (key: string) => void kept.delete(key) };
  clocked(180, storage).profile.record({ type: "follow" }, item("a", "science"));
  const again = clocked(180, storage).profile;
  assert.ok(again.taste().follows.has("c1") && again.taste().topics.get("science") === 1);
  const other = clocked().profile;
  other.import(again.export());
  assert.deepEqual(other.taste(), again.taste());
  assert.throws(() => other.import('{"version": 2}'), SyntaxError);
  again.clear();
  assert.deepEqual([kept.size, again.taste().topics.size], [0, 0]);
  kept.set("polyphony.profile", "{damaged");
  assert.deepEqual(clocked(180, storage).profile.interests(), []);
});
