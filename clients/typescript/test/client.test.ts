/** The client against a real server. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { fileURLToPath } from "node:url";

import { DeviceFeed, Polyphony, PolyphonyProblem, PolyphonyUnreachable } from "../src/index.js";
import { SECRET, SERVER_KEY, lossyWire, start, token, type RunningServer } from "./server.js";

let server: RunningServer;
let open: RunningServer;

before(async () => {
  [server, open] = await Promise.all([start([`auth.jwt_secret=${SECRET}`, `auth.server_keys=${SERVER_KEY}`]), start()]);
});
after(async () => {
  await Promise.all([server.stop(), open.stop()]);
});

const reader = (subject: string): Polyphony => new Polyphony({ baseUrl: server.url, token: () => token(subject) });
const consented = async (subject: string): Promise<Polyphony> => {
  const client = reader(subject);
  await client.consent.decide({ decisions: { profile_create: "given", profile_use: "given" } });
  return client;
};

test("a feed goes on page by page and repeats nothing", async () => {
  const ids = new Set<string>();
  let pages = 0;
  for await (const page of reader("ann").feed({ surface: "home", limit: 15 })) {
    for (const item of page.items) {
      assert.ok(!ids.has(item.id), `${item.id} came twice`);
      ids.add(item.id);
    }
    if (++pages === 4) break;
  }
  assert.equal(ids.size, 60);
  const first: string[] = [];
  for await (const item of reader("ann").items({ limit: 5 })) {
    assert.match(item.feed_id, /^fd_/);
    if (first.push(item.id) === 12) break;
  }
  assert.equal(new Set(first).size, 12);
});

test("problems are errors that name every fault", async () => {
  const error: unknown = await reader("ann").feed({ limit: 0, diversity: 7 }).next().catch((caught: unknown) => caught);
  assert.ok(error instanceof PolyphonyProblem);
  assert.deepEqual([error.status, error.kind], [400, "invalid-body"]);
  assert.deepEqual(error.errors.map((fault) => fault.pointer).sort(), ["/diversity", "/limit"]);
  assert.match(error.requestId ?? "", /^rq_/);
  const wrong = new Polyphony({ baseUrl: server.url, token: "not-a-token" });
  await assert.rejects(wrong.preferences.get(), (caught) => caught instanceof PolyphonyProblem && caught.status === 401);
  const nowhere = new Polyphony({ baseUrl: "http://127.0.0.1:1", retries: 1, backoffMs: 1 });
  await assert.rejects(nowhere.feed().next(), PolyphonyUnreachable);
});

test("a signal ends a call, at once and for good", async () => {
  const stop = new AbortController();
  stop.abort(new Error("enough"));
  await assert.rejects(reader("ann").feed({ signal: stop.signal }).next(), /enough/);
  const all = new AbortController();
  const client = new Polyphony({ baseUrl: "http://127.0.0.1:1", retries: 9, backoffMs: 60_000, signal: all.signal });
  const waiting = client.preferences.get();
  setTimeout(() => all.abort(new Error("the app closes")), 20);
  await assert.rejects(waiting, /the app closes/);
});

test("events shape the next feed, and every right is one call", async () => {
  const client = await consented("bea");
  const page = (await client.feed({ limit: 20 }).next()).value;
  assert.ok(page);
  const [first, second] = page.items;
  assert.ok(first && second);
  client.events.add({ type: "like", item: first.id, feed_id: page.feed_id, track: first.track, position: first.position });
  client.events.add({ type: "hide", item: second.id });
  assert.equal(client.events.pending, 2);
  await client.events.close();
  assert.equal(client.events.pending, 0);
  const next = (await client.feed({ limit: 20 }).next()).value;
  assert.ok(next && next.personalised);
  assert.ok(!next.items.some((item) => item.id === second.id), "hidden is gone");
  const decision = await client.decision(next.feed_id, next.items[0]?.id ?? "");
  assert.equal(decision.feed_id, next.feed_id);
  const set = await client.preferences.set({ mode: "no_profile", blocked_keywords: ["royal wedding"] });
  assert.deepEqual([set.mode, set.blocked_keywords], ["no_profile", ["royal wedding"]]);
  assert.deepEqual(await client.preferences.get(), set);
  assert.equal((await client.feed().next()).value?.personalised, false);
  assert.equal((await client.consent.receipts()).receipts.length, 2);
  assert.ok((await client.consent.forms()).forms.length >= 3);
  assert.equal((await client.export()).given.preferences.mode, "no_profile");
  assert.ok((await client.erase()).done.length > 3);
  assert.equal((await client.consent.get()).purposes["profile_use"]?.standing, "unasked");
});

test("a server key speaks for whom it names", async () => {
  const backend = new Polyphony({ baseUrl: server.url, token: SERVER_KEY, user: "cem" });
  await backend.consent.decide({ decisions: { profile_create: "given", profile_use: "given" } });
  const page = (await backend.feed({ limit: 3 }).next()).value;
  backend.events.add({ type: "open", item: page?.items[0]?.id ?? "" });
  await backend.events.flush();
  assert.equal((await backend.export()).observed.events, 1);
  assert.equal((await reader("cem").export()).observed.events, 1);
});

test("events whose answer was lost are sent again under their ids and count once", async () => {
  const client = await consented("dan");
  const items = (await client.feed({ limit: 5 }).next()).value?.items ?? [];
  const wire = await lossyWire(server.url, 2);
  const over = new Polyphony({ baseUrl: wire.url, token: () => token("dan"), events: { backoffMs: 1 } });
  for (const item of items) over.events.add({ type: "open", item: item.id });
  await assert.rejects(over.events.flush(), PolyphonyUnreachable);
  assert.equal(over.events.pending, 5);
  await assert.rejects(over.events.flush(), PolyphonyUnreachable);
  await over.events.flush();
  assert.equal(over.events.pending, 0);
  assert.ok(wire.passed.length >= 3);
  assert.equal(new Set(wire.passed).size, 1, "the same events, byte for byte");
  assert.equal((await client.export()).observed.events, 5);
  await wire.stop();
});

test("what the server refuses is told and not sent for ever; what waits survives the page", async () => {
  const rejected: string[] = [];
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  const client = await consented("eva");
  const item = (await client.feed({ limit: 1 }).next()).value?.items[0]?.id ?? "";
  const events = { storage, onRejected: (all: { reason: string }[]) => void rejected.push(...all.map(({ reason }) => reason)) };
  const first = new Polyphony({ baseUrl: server.url, token: () => token("eva"), events });
  const { id } = first.events.add({ type: "open", item });
  // The page is closed, and another comes.
  const second = new Polyphony({ baseUrl: server.url, token: () => token("eva"), events });
  assert.equal(second.events.pending, 1);
  second.events.add({ type: "like", item: "no-such-item" });
  await second.events.close();
  assert.equal(kept.size, 0);
  assert.match(id, /^ev_/);
  assert.equal(rejected.length, 1);
  assert.match(rejected[0] ?? "", /no-such-item/);
  assert.equal((await client.export()).observed.events, 1);
  await first.events.close();
  assert.equal((await client.export()).observed.events, 1, "sent by both pages, it counts once");
});

test("with the profile on the device the feed comes to its reader, and the server keeps nothing", async () => {
  const device = new DeviceFeed({ baseUrl: open.url, limit: 20 });
  const topicOf = (item: { item?: { topics: { topic: string; weight: number }[] } }): string => item.item?.topics[0]?.topic ?? "";
  const first = (await device.pages().next()).value;
  assert.ok(first);
  assert.equal(first.items.length, 20);
  const loved = topicOf(first.items[3] ?? {});
  for (const item of first.items.filter((one) => topicOf(one) === loved)) device.record({ type: "like" }, item);
  const again: string[] = [];
  for await (const page of device.pages()) {
    assert.ok(page.served.ranking);
    again.push(...page.items.map((item) => item.id));
    if (again.length >= 120) break;
  }
  assert.equal(new Set(again).size, again.length, "nothing twice, over pages and answers");
  const second = (await device.pages().next()).value;
  assert.ok(second);
  const share = (items: typeof first.items): number => items.filter((item) => topicOf(item) === loved).length;
  assert.ok(share(second.items) > share(first.items), `${share(first.items)} then ${share(second.items)} of ${loved}`);
  assert.equal(first.items.filter((item) => topicOf(item) === loved && second.items.some(({ id }) => id === item.id)).length, 0, "what was read does not come back");
  assert.ok(second.items.some((item, at) => item.id !== second.served.items[at]?.id), "the device orders otherwise than the server");
});

test("the example of the README runs", async () => {
  const readme = await readFile(new URL("../../README.md", import.meta.url), "utf8");
  const code = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? "";
  assert.ok(code.trim().split("\n").length <= 12, "ten lines or so");
  const file = new URL("../example.mjs", import.meta.url);
  await writeFile(file, code.replace("http://127.0.0.1:7720", open.url));
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(file)]);
  assert.equal(stdout.trim().split("\n").length, 20, stdout);
});
