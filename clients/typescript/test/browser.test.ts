/** In a real browser: with the profile on the device nothing about the person leaves the page but coarse interests. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";

import { chromium, type Request } from "playwright-core";

import { start } from "./server.js";

const CHROMIUM = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** The kit's own files on an origin of their own. */
async function site(): Promise<{ origin: string; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    void (async () => {
      const name = /^\/kit\/([\w-]+\.js)$/.exec(request.url ?? "")?.[1];
      if (name === undefined) {
        response.writeHead(200, { "content-type": "text/html", "set-cookie": "visitor=canary-cookie" });
        response.end("<!doctype html><title>canary-title</title>");
        return;
      }
      response.writeHead(200, { "content-type": "text/javascript" });
      response.end(await readFile(new URL(`../src/${name}`, import.meta.url)));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

test("only coarse interests leave the page, and the page ranks by more than they say", async () => {
  const pages = await site();
  const server = await start([`server.cors_origins=${pages.origin}`]);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const page = await browser.newPage();
    const requests: Request[] = [];
    page.on("request", (request) => requests.push(request));
    await page.goto(`${pages.origin}/canary-path?reader=canary-query`);
    const told = await page.evaluate(
      async ({ kit, api }) => {
        const { DeviceFeed } = (await import(kit)) as typeof import("../src/index.js");
        const device = new DeviceFeed({ baseUrl: api, limit: 20, profile: { storage: localStorage } });
        const first = (await device.pages().next()).value;
        const loved = first?.items[2]?.item?.topics[0]?.topic ?? "";
        const read = first?.items.filter(({ item }) => item?.topics[0]?.topic === loved) ?? [];
        for (const placed of read) {
          device.record({ type: "open" }, placed);
          device.record({ type: "like" }, placed);
          device.record({ type: "dwell", visible_ms: 31_337 }, placed);
          device.record({ type: "follow" }, placed);
        }
        const second = (await device.pages().next()).value;
        return {
          loved,
          read: read.map(({ id }) => id),
          creators: read.map(({ item }) => item?.creator?.id ?? ""),
          shown: second?.items.map(({ id }) => id) ?? [],
          served: second?.served.items.map(({ id }) => id) ?? [],
          kept: localStorage.getItem("polyphony.profile") ?? "",
        };
      },
      { kit: `${pages.origin}/kit/index.js`, api: server.url },
    );
    const calls = requests.filter((request) => request.url().startsWith(server.url) && request.method() !== "OPTIONS");
    assert.ok(requests.every((request) => request.url().startsWith(server.url) || request.url().startsWith(pages.origin)), "no third party");
    assert.equal(calls.length, 2);
    const bodies = calls.map((request) => request.postDataJSON() as Record<string, unknown>);
    assert.deepEqual(bodies[0], { surface: "home", mode: "client_profile", interests: [], limit: 100 });
    const { interests, ...rest } = bodies[1] as { interests: { topic: string; level: number }[] };
    assert.deepEqual(rest, { surface: "home", mode: "client_profile", limit: 100 });
    assert.ok(interests.length >= 1 && interests.length <= 8 && interests.some(({ topic }) => topic === told.loved));
    for (const interest of interests) {
      assert.deepEqual(Object.keys(interest).sort(), ["level", "topic"]);
      assert.ok([1, 2, 3].includes(interest.level));
    }
    for (const request of requests.filter((one) => one.url().startsWith(server.url))) {
      assert.equal(request.url(), `${server.url}/v1/feed`, "nothing in the address");
      const headers = await request.allHeaders();
      for (const name of ["cookie", "authorization", "referer", "x-api-key"]) assert.equal(headers[name], undefined, name);
      // Of what happened on the page nothing is in what was sent: no item, no creator, no time, no canary.
      const sent = JSON.stringify(headers) + (request.postData() ?? "");
      for (const secret of [...told.read, ...told.creators, "31337", "canary", "visitor"]) assert.ok(!sent.includes(secret), secret);
    }
    assert.ok(told.read.length > 0 && told.kept.includes(told.loved), "the device remembers");
    assert.equal(told.shown.length, 20);
    assert.notDeepEqual(told.shown, told.served.slice(0, 20), "ranked again, the order is another");
    assert.ok(told.shown.every((id) => told.served.includes(id) && !told.read.includes(id)));
  } finally {
    await browser.close();
    await server.stop();
    await pages.stop();
  }
});

test("a page that goes sends what waits", async () => {
  const pages = await site();
  const server = await start([`server.cors_origins=${pages.origin}`, "consent.default=assumed"]);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  try {
    const page = await browser.newPage();
    await page.goto(pages.origin);
    await page.evaluate(
      async ({ kit, api }) => {
        const { Polyphony } = (await import(kit)) as typeof import("../src/index.js");
        const client = new Polyphony({ baseUrl: api, events: { flushAfterMs: 600_000 } });
        for await (const item of client.items({ limit: 3 })) {
          client.events.add({ type: "open", item: item.id, user: "gina" });
          if (client.events.pending === 3) break;
        }
      },
      { kit: `${pages.origin}/kit/index.js`, api: server.url },
    );
    await page.goto("about:blank");
    const events = async (): Promise<number> => ((await (await fetch(`${server.url}/v1/users/gina/export`)).json()) as { observed: { events: number } }).observed.events;
    const until = Date.now() + 20_000;
    while ((await events()) < 3 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
    // Nothing else would have sent them for ten minutes.
    assert.equal(await events(), 3);
  } finally {
    await browser.close();
    await server.stop();
    await pages.stop();
  }
});
