// What a person's app does, and how it is counted. Used by every script of this folder.
//
// Requests are drawn per arrival: 55 % open the feed, 30 % scroll to the next page, 12 % send a batch of events, 3 % read
// an item. Each virtual user is one app at a time: it scrolls the feed it opened and reports on the items it was shown.
import http from "k6/http";
import encoding from "k6/encoding";
import exec from "k6/execution";
import { check } from "k6";
import { Counter, Rate } from "k6/metrics";

export const BASE_URL = (__ENV.BASE_URL || "http://127.0.0.1:7720").replace(/\/$/, "");
const KEY = __ENV.KEY || "";
const SURFACE = __ENV.SURFACE || "home";
export const SEED = Number(__ENV.SEED || 1);
// Event ids of one run are new to the server; a run with the same RUN is a replay.
const RUN = __ENV.RUN || Date.now().toString(36);
// The people of `polyphony demo`; to any other server they are people it does not know yet.
export const PERSONAS = (__ENV.PERSONAS || "ana,ben,chloe,dmitri,emi,farid").split(",");
const STRANGERS = 2000;
const PAGE_ITEMS = 20;
const EVENTS_PER_BATCH_MAX = 12;
const REQUEST_TIMEOUT = "10s";
// How often a client asks for a page again, as after a lost answer.
const RETRY_SHARE = 0.1;

// Everything that went wrong, whoever's fault; an event refused with 503 in a Redis outage is counted apart when asked.
export const failures = new Rate("failures");
export const degraded = new Rate("degraded");
export const degradedAnswers = new Counter("degraded_answers");
export const feed5xx = new Counter("feed_5xx");
export const item5xx = new Counter("item_5xx");
export const events503 = new Counter("events_503");
export const events5xx = new Counter("events_other_5xx");
export const eventsSent = new Counter("events_sent");
export const eventsAccepted = new Counter("events_accepted");
export const eventsDuplicate = new Counter("events_duplicate");
export const eventsIgnored = new Counter("events_ignored");
export const eventsRejected = new Counter("events_rejected");
export const repeatedIds = new Counter("repeated_ids");
export const changedPages = new Counter("changed_pages");
const COUNTERS = [
  degradedAnswers, feed5xx, item5xx, events503, events5xx, eventsSent, eventsAccepted, eventsDuplicate, eventsIgnored,
  eventsRejected, repeatedIds, changedPages,
];

// A counter that never counted would be missing from the report.
export function zeroCounters() {
  COUNTERS.forEach((counter) => counter.add(0));
}

// mulberry32: the same SEED draws the same sessions, so two runs differ by the server.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

let draw = null;
function random() {
  draw = draw || generator(SEED * 1000003 + exec.vu.idInTest);
  return draw();
}

function pick(list) {
  return list[Math.floor(random() * list.length)];
}

// Zipf (exponent 1): the n-th most active person comes 1/n as often as the first. The personas are the most active.
const CUMULATIVE = [];
for (let n = 1, sum = 0; n <= PERSONAS.length + STRANGERS; n++) {
  sum += 1 / n;
  CUMULATIVE.push(sum);
}
function user() {
  const at = random() * CUMULATIVE[CUMULATIVE.length - 1];
  let [low, high] = [0, CUMULATIVE.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (CUMULATIVE[middle] < at) low = middle + 1;
    else high = middle;
  }
  return low < PERSONAS.length ? PERSONAS[low] : `load_${low}`;
}

export function params(name, body) {
  const headers = KEY ? { Authorization: `Bearer ${KEY}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  return { headers, tags: { name }, timeout: REQUEST_TIMEOUT };
}

function json(response) {
  try {
    return response.json() || {};
  } catch (_) {
    return {};
  }
}

function feedUrl(query) {
  const all = { surface: SURFACE, limit: PAGE_ITEMS, ...query };
  return `${BASE_URL}/v1/feed?${Object.keys(all).map((key) => `${key}=${encodeURIComponent(all[key])}`).join("&")}`;
}

// One page; counts what it says about the server. Returns the body, or null when it is not a page.
function page(name, query) {
  const response = http.get(feedUrl(query), params(name));
  if (response.status >= 500) feed5xx.add(1);
  const body = json(response);
  const good = check(response, {
    "feed answers 200": (r) => r.status === 200,
    "feed has items or ends": () => Array.isArray(body.items) && (body.items.length > 0 || !(body.page && body.page.next)),
  });
  failures.add(!good);
  if (!good) return null;
  degraded.add(Boolean(body.degraded));
  if (body.degraded) degradedAnswers.add(1);
  return body;
}

// What this virtual user's app holds.
let session = null;

function remember(body) {
  if (!session || session.feed !== body.feed_id) session = { ...session, feed: body.feed_id, shown: new Set() };
  const repeated = body.items.filter((item) => session.shown.has(item.id)).length;
  body.items.forEach((item) => session.shown.add(item.id));
  session.items = body.items;
  session.cursor = body.page ? body.page.next : undefined;
  repeatedIds.add(repeated);
  check(null, { "no id twice in a feed": () => repeated === 0 && new Set(body.items.map((i) => i.id)).size === body.items.length });
}

function firstPage() {
  session = { user: user() };
  const body = page("first_page", { user: session.user });
  if (body) remember(body);
}

function nextPage() {
  const query = { user: session.user, cursor: session.cursor };
  const body = page("next_page", query);
  if (!body) return;
  if (random() < RETRY_SHARE) {
    const again = page("next_page", query);
    const ids = (answer) => answer.items.map((item) => item.id).join();
    // A page that was served is frozen, unless its feed has expired and was started anew.
    const same = again === null || again.feed_id !== body.feed_id || ids(again) === ids(body);
    changedPages.add(same ? 0 : 1);
    check(null, { "a page asked again is the same": () => same });
  }
  remember(body);
}

// Most people look at a few items and act on one; some say what they do not want.
const ACTS = ["open", "open", "open", "open", "dwell", "dwell", "like", "save", "share", "more_like", "less_like", "hide"];

function batch() {
  const looked = session.items.slice(0, 1 + Math.floor(random() * Math.min(session.items.length, EVENTS_PER_BATCH_MAX - 1)));
  const event = (type, item, n, more) => ({
    id: `ev_${RUN}_${exec.vu.idInTest}_${exec.vu.iterationInInstance}_${n}`,
    user: session.user,
    type,
    item: item.id,
    feed_id: session.feed,
    ...(item.track ? { track: item.track } : {}),
    position: item.position,
    at: new Date().toISOString(),
    ...more,
  });
  const visible = () => ({ visible_ms: 500 + Math.floor(random() * 4000) });
  const events = looked.map((item, n) => event("seen", item, n, visible()));
  const act = pick(ACTS);
  events.push(event(act, pick(looked), events.length, act === "dwell" ? visible() : {}));
  return { events };
}

function sendEvents() {
  const sent = batch();
  eventsSent.add(sent.events.length);
  const response = http.post(`${BASE_URL}/v1/events`, JSON.stringify(sent), params("events", true));
  // A refusal that says "later" loses nothing: the app keeps the batch. Whether it may happen is the script's threshold.
  if (response.status === 503) return void events503.add(1);
  if (response.status >= 500) events5xx.add(1);
  const answer = json(response);
  const rejected = answer.rejected || [];
  const counted = (answer.accepted || 0) + (answer.duplicates || 0) + (answer.ignored || 0) + rejected.length;
  failures.add(
    !check(response, {
      "events answer 202": (r) => r.status === 202,
      "every event is accounted for": () => counted === sent.events.length,
    }),
  );
  eventsAccepted.add(answer.accepted || 0);
  eventsDuplicate.add(answer.duplicates || 0);
  eventsIgnored.add(answer.ignored || 0);
  eventsRejected.add(rejected.length);
  if (response.status === 202 && answer.accepted > 0) acknowledged(sent.events, rejected);
}

// One line per acknowledged batch, for `verify_events.js`; `run-smoke` collects the console in a file. Base64, because the
// console quotes its lines.
function acknowledged(events, rejected) {
  const refused = new Set(rejected.map((one) => one.index));
  const kept = JSON.stringify({ events: events.filter((_, index) => !refused.has(index)) });
  console.log(`ACK ${encoding.b64encode(kept)}`);
}

function readItem() {
  const id = encodeURIComponent(pick(session.items).id);
  const response = http.get(`${BASE_URL}/v1/items/${id}`, params("item"));
  if (response.status >= 500) item5xx.add(1);
  failures.add(!check(response, { "item answers 200": (r) => r.status === 200 }));
}

// One arrival. What needs a feed the app does not have yet opens one instead.
export function arrive() {
  const at = random();
  const shown = session && session.items && session.items.length > 0;
  if (at < 0.3 && shown && session.cursor) nextPage();
  else if (at >= 0.3 && at < 0.42 && shown) sendEvents();
  else if (at >= 0.42 && at < 0.45 && shown) readItem();
  else firstPage();
}

const number = (value) => (Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2));

// The report: what was asked, how fast, what went wrong, and each threshold.
export function report(data) {
  const values = (name) => (data.metrics[name] || { values: {} }).values;
  const count = (name) => values(name).count || 0;
  const lines = ["", `requests ${count("http_reqs")} (${number(values("http_reqs").rate || 0)}/s), arrivals ${count("iterations")}, dropped ${count("dropped_iterations")}`];
  for (const name of ["first_page", "next_page", "events", "item"]) {
    const ms = values(`http_req_duration{name:${name}}`);
    const cell = (label, key) => `${label} ${number(ms[key] || 0)}`;
    lines.push(`  ${name.padEnd(11)} ms: ${[cell("p50", "med"), cell("p95", "p(95)"), cell("p99", "p(99)"), cell("max", "max")].join("  ")}`);
  }
  lines.push(`degraded answers ${count("degraded_answers")} (${number((values("degraded").rate || 0) * 100)} % of feeds)`);
  lines.push(`5xx: feed ${count("feed_5xx")}, item ${count("item_5xx")}, events 503 ${count("events_503")}, events other ${count("events_other_5xx")}`);
  lines.push(`events: sent ${count("events_sent")}, accepted ${count("events_accepted")}, duplicate ${count("events_duplicate")}, ignored ${count("events_ignored")}, rejected ${count("events_rejected")}`);
  lines.push(`feeds: repeated ids ${count("repeated_ids")}, pages that changed when asked again ${count("changed_pages")}`);
  for (const one of data.root_group.checks.filter((c) => c.fails > 0)) lines.push(`  check failed ${one.fails} times: ${one.name}`);
  for (const name of Object.keys(data.metrics).sort()) {
    const thresholds = data.metrics[name].thresholds || {};
    for (const rule of Object.keys(thresholds)) lines.push(`  ${thresholds[rule].ok ? "pass" : "FAIL"}  ${name}  ${rule}`);
  }
  const out = { stdout: `${lines.join("\n")}\n\n` };
  if (__ENV.SUMMARY) out[__ENV.SUMMARY] = JSON.stringify(data, null, 1);
  return out;
}
