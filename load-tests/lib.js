// What people's apps do, and how it is counted. Every script of this folder is a row of phases in thresholds.json and the
// functions of this file.
//
// Arrivals are sessions: one person opens a feed, then scrolls, reports events, changes or previews preferences, with pauses
// in between. Sessions arrive whatever the server does (an open model). A session goes on with probability 0.45 after each
// step, so of all requests 55 % are first pages, 30 % later ones, 12 % batches of events, 2 % preferences, 1 % previews.
import http from "k6/http";
import encoding from "k6/encoding";
import exec from "k6/execution";
import { check, sleep } from "k6";
import { Counter, Rate, Trend } from "k6/metrics";

const LIMITS = JSON.parse(open("./thresholds.json"));
export const BASE_URL = (__ENV.BASE_URL || "http://127.0.0.1:7720").replace(/\/$/, "");
const KEY = __ENV.KEY || "";
const SURFACE = __ENV.SURFACE || "home";
const SEED = Number(__ENV.SEED || 1);
// Event ids of one run are new to the server; a run with the same RUN is a replay.
const RUN = __ENV.RUN || Date.now().toString(36);
const ITEMS = Number(__ENV.ITEMS || 0);
const USERS = Number(__ENV.USERS || 2000);
const COLD_SHARE = Number(__ENV.COLD_SHARE || 0.2);
const THINK_MS = Number(__ENV.THINK_MS || 500);
// Multiplies the limits of latency: for machines that do other work as well.
const SLACK = Number(__ENV.SLACK || 1);
const KINDS = ["first_page", "next_page", "events", "preferences", "preview"];

const GOES_ON = 0.45;
// Of the steps after the first: 30, 12, 2 and 1 of 45.
const NEXT_PAGE = 30 / 45;
const EVENTS = 42 / 45;
const PREFERENCES = 44 / 45;
const PAGE_ITEMS = 20;
const EVENTS_PER_BATCH_MAX = 12;
// How often a client asks for a page again, as after a lost answer.
const RETRY_SHARE = 0.1;
// Longest pause, in mean pauses.
const THINK_MAX = 5;
const REQUEST_TIMEOUT = "10s";
const SEED_BATCH_ITEMS = 500;
// People whose histories are told before the run: with Zipf's law more than half of the known people's sessions.
const WARM_USERS = Math.min(100, USERS);
const WARM_OPENS = 12;
// First pages asked for one by one before the run: what diversity is without load.
// People with a history who only read: what they are shown changes with the load alone, not with what they did meanwhile.
const PROBES = 40;
const PROBE_SHARE = 0.1;
// First pages of each before the run.
const UNLOADED_PAGES = 5;

// Everything that went wrong, whoever's fault. What a phase may refuse is counted as refused instead.
const failures = new Rate("failures");
const refused = new Counter("refused");
const refusedMs = new Trend("refused_ms", true);
const degraded = new Rate("degraded");
const ild = new Trend("ild");
// Of a first page under load, as a share of the median without load.
const ildOfUnloaded = new Trend("ild_of_unloaded");
const feed5xx = new Counter("feed_5xx");
const other5xx = new Counter("other_5xx");
const eventsSent = new Counter("events_sent");
const eventsAccepted = new Counter("events_accepted");
const eventsDuplicate = new Counter("events_duplicate");
const eventsIgnored = new Counter("events_ignored");
const eventsRejected = new Counter("events_rejected");
const repeatedIds = new Counter("repeated_ids");
const changedPages = new Counter("changed_pages");
const COUNTERS = [
  refused, feed5xx, other5xx, eventsSent, eventsAccepted, eventsDuplicate, eventsIgnored, eventsRejected, repeatedIds, changedPages,
];

function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 };
  return [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

// The scenario this script runs, once `options` has been called.
let plan = null;

// k6's options for a scenario of thresholds.json: one k6 scenario per phase, one after the other, and the thresholds.
// RATE and DURATION replace the scenario's own.
export function options(name) {
  const spec = LIMITS.scenarios[name];
  const rate = Number(__ENV.RATE || spec.rate);
  const total = seconds(__ENV.DURATION || spec.duration);
  if (!(rate > 0) || !(total >= 1)) throw new Error("RATE must be above 0 and DURATION at least 1s, e.g. RATE=50 DURATION=20s");
  plan = { name, ...spec };
  const scenarios = {};
  let start = 0;
  for (const phase of spec.phases) {
    const length = Math.max(1, Math.round(total * phase.share));
    scenarios[phase.name] = arrivals(phase, rate, length, start, spec.ramp_to);
    start += length;
  }
  return {
    scenarios,
    setupTimeout: "10m",
    systemTags: ["status", "name", "scenario", "error_code"],
    summaryTrendStats: ["min", "med", "p(90)", "p(95)", "p(99)", "p(99.9)", "max"],
    thresholds: thresholds(spec, rate, total),
  };
}

// Arrivals of sessions that make about `rate` requests a second.
function arrivals(phase, rate, length, start, rampTo) {
  const sessions = (requests) => Math.max(1, Math.round(requests * (1 - GOES_ON) * 100));
  const from = rate * (phase.rate || 1);
  const most = rampTo ? rate * rampTo : from;
  // A session lasts as long as its pauses and answers; the limit lets answers take a second each.
  const held = (perRequest) => Math.ceil(most * ((THINK_MS / 1000) * GOES_ON + perRequest));
  const common = {
    exec: "default", startTime: `${start}s`, timeUnit: "100s", tags: { phase: phase.name }, gracefulStop: "15s",
    preAllocatedVUs: Math.min(2000, 10 + held(0.05)), maxVUs: Math.min(6000, 50 + held(1)),
  };
  if (!rampTo) return { executor: "constant-arrival-rate", rate: sessions(from), duration: `${length}s`, ...common };
  return {
    executor: "ramping-arrival-rate", startRate: sessions(rate), stages: [{ duration: `${length}s`, target: sessions(most) }], ...common,
  };
}

function thresholds(spec, rate, total) {
  const { common } = LIMITS;
  const rules = {};
  const expected = spec.phases.reduce((sum, phase) => sum + rate * (phase.rate || 1) * phase.share * total, 0) * (1 - GOES_ON);
  for (const phase of spec.phases) {
    for (const kind of KINDS) {
      // Named even where nothing is judged, so that the report has them.
      rules[`http_req_duration{phase:${phase.name},name:${kind}}`] = phase.judged ? latencies(kind, spec) : [];
    }
    rules[`degraded{phase:${phase.name}}`] = phase.may_degrade ? [] : [`rate<${common.degraded_rate_max}`];
    const sessions = rate * (phase.rate || 1) * phase.share * total * (1 - GOES_ON);
    const judgesIld = phase.judged && sessions >= common.ild_needs_sessions;
    rules[`ild_of_unloaded{phase:${phase.name}}`] = judgesIld ? [`med>=${common.ild_of_unloaded_median_min}`] : [];
    rules[`refused{phase:${phase.name}}`] = phase.may_refuse ? [] : ["count==0"];
  }
  rules.failures = [`rate<${common.failures_rate_max}`];
  rules.checks = [`rate>${common.checks_rate_min}`];
  rules.feed_5xx = ["count==0"];
  rules.other_5xx = ["count==0"];
  rules.events_accepted = ["count>0"];
  rules.repeated_ids = ["count==0"];
  rules.changed_pages = ["count==0"];
  rules["http_req_duration{user:cold,name:first_page}"] = [];
  rules["http_req_duration{user:warm,name:first_page}"] = [];
  if (spec.ramp_to) {
    rules.http_req_duration = [{ threshold: `p(95)<${spec.abort_p95_ms}`, abortOnFail: true, delayAbortEval: "5s" }];
  } else {
    rules.dropped_iterations = [`count<=${Math.ceil(expected * Math.min(0.5, common.dropped_share_max * SLACK))}`];
    rules.refused_ms = [`p(95)<${common.refusal_p95_ms * SLACK}`];
  }
  return rules;
}

function latencies(kind, spec) {
  const factor = (spec.latency_factor || 1) * SLACK;
  const judged = Object.entries(LIMITS.latency_ms[kind]).filter(([percentile]) => !spec.percentiles || spec.percentiles.includes(percentile));
  return judged.map(([percentile, limit]) => `${percentile}<${limit * factor}`);
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

// Of the session that is running.
let random = generator(SEED);
const pick = (list) => list[Math.floor(random() * list.length)];

// Zipf (exponent 1): the n-th most active person comes 1/n as often as the first.
const CUMULATIVE = [];
for (let n = 1, sum = 0; n <= USERS; n++) {
  sum += 1 / n;
  CUMULATIVE.push(sum);
}
function knownUser() {
  const at = random() * CUMULATIVE[CUMULATIVE.length - 1];
  let [low, high] = [0, CUMULATIVE.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (CUMULATIVE[middle] < at) low = middle + 1;
    else high = middle;
  }
  return `load_${low}`;
}

export function params(name, tags, body) {
  const headers = KEY ? { Authorization: `Bearer ${KEY}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  return { headers, tags: { name, ...tags }, timeout: REQUEST_TIMEOUT };
}

function json(response) {
  try {
    return response.json() || {};
  } catch (_) {
    return {};
  }
}

const query = (all) => Object.keys(all).map((key) => `${key}=${encodeURIComponent(all[key])}`).join("&");
const feedUrl = (more) => `${BASE_URL}/v1/feed?${query({ surface: SURFACE, limit: PAGE_ITEMS, include: "metrics", ...more })}`;

function phaseNow() {
  return plan.phases.find((one) => one.name === exec.scenario.name) || {};
}

// Whether the phase lets the server say "later" to this kind; counted either way.
function wasRefused(kind, response) {
  if (response.status !== 503) return false;
  refused.add(1, { name: kind });
  refusedMs.add(response.timings.duration, { name: kind });
  return (phaseNow().may_refuse || []).includes(kind);
}

// One page; counts what it says about the server. Returns the body, or null when it is not a page.
function page(kind, session, more) {
  const response = http.get(feedUrl({ user: session.user, ...more }), params(kind, { user: session.warmth }));
  if (wasRefused(kind, response)) return null;
  if (response.status >= 500) feed5xx.add(1);
  const body = json(response);
  const good = check(response, {
    "feed answers 200": (r) => r.status === 200,
    "feed has items or ends": () => Array.isArray(body.items) && (body.items.length > 0 || !(body.page && body.page.next)),
  });
  failures.add(!good);
  if (!good) return null;
  const missing = (body.degraded || []).filter((one) => !(phaseNow().may_brown_out && one.reason === "overload"));
  degraded.add(missing.length > 0);
  return body;
}

// `unloaded`: the ILD of this reader's first pages before the run; 0 for all who do more than read.
function firstPage(session, unloaded) {
  const body = page("first_page", session, {});
  if (!body) return false;
  session.feed = body.feed_id;
  session.shown = new Set();
  // A feed of fewer candidates is held to it too: it is what speed may be bought with.
  if (body.metrics && (body.degraded || []).every((one) => one.reason === "overload")) {
    ild.add(body.metrics.ild);
    if (unloaded > 0) ildOfUnloaded.add(body.metrics.ild / unloaded);
  }
  show(session, body);
  return true;
}

function show(session, body) {
  const repeated = body.items.filter((item) => session.shown.has(item.id)).length;
  body.items.forEach((item) => session.shown.add(item.id));
  session.items = body.items;
  session.cursor = body.page ? body.page.next : undefined;
  repeatedIds.add(repeated);
  check(null, { "no id twice in a feed": () => repeated === 0 && new Set(body.items.map((i) => i.id)).size === body.items.length });
}

const ids = (answer) => answer.items.map((item) => item.id).join();

function nextPage(session) {
  if (session.last && random() < RETRY_SHARE) {
    const again = page("next_page", session, { cursor: session.last.cursor });
    // A page that was served is frozen, unless its feed has expired and was started anew.
    const same = again === null || again.feed_id !== session.feed || ids(again) === ids(session.last.body);
    changedPages.add(same ? 0 : 1);
    check(null, { "a page asked again is the same": () => same });
    return;
  }
  if (!session.cursor) return;
  const cursor = session.cursor;
  const body = page("next_page", session, { cursor });
  if (!body) return;
  if (body.feed_id !== session.feed) session.shown = new Set();
  session.feed = body.feed_id;
  session.last = { cursor, body };
  show(session, body);
}

// Most people look at a few items and act on one; some say what they do not want.
const ACTS = ["open", "open", "open", "open", "dwell", "dwell", "like", "save", "share", "more_like", "less_like", "hide"];

function batch(session) {
  const looked = session.items.slice(0, 1 + Math.floor(random() * Math.min(session.items.length, EVENTS_PER_BATCH_MAX - 1)));
  const event = (type, item, more) => ({
    id: `ev_${RUN}_${session.id}_${session.sent++}`,
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
  const events = looked.map((item) => event("seen", item, visible()));
  const act = pick(ACTS);
  events.push(event(act, pick(looked), act === "dwell" ? visible() : {}));
  return { events };
}

function sendEvents(session) {
  if (session.items.length === 0) return;
  const sent = batch(session);
  eventsSent.add(sent.events.length);
  const response = http.post(`${BASE_URL}/v1/events`, JSON.stringify(sent), params("events", {}, true));
  // A refusal that says "later" loses nothing: the app keeps the batch.
  if (wasRefused("events", response)) return;
  if (response.status >= 500) other5xx.add(1);
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

// One line per acknowledged batch, for `verify_events.js`; `run` collects the console in a file. Base64, because the
// console quotes its lines.
function acknowledged(events, rejected) {
  if (!plan.outage) return;
  const refusedAt = new Set(rejected.map((one) => one.index));
  const kept = JSON.stringify({ events: events.filter((_, index) => !refusedAt.has(index)) });
  console.log(`ACK ${encoding.b64encode(kept)}`);
}

function preferences(session, kind) {
  const isPreview = kind === "preview";
  const path = `${BASE_URL}/v1/users/${encodeURIComponent(session.user)}/preferences`;
  const url = isPreview ? `${path}/preview?${query({ surface: SURFACE })}` : path;
  const body = JSON.stringify({ preset: isPreview ? "broader" : "balanced" });
  const response = http.request(isPreview ? "POST" : "PUT", url, body, params(kind, {}, true));
  if (wasRefused(kind, response)) return;
  if (response.status >= 500) other5xx.add(1);
  failures.add(!check(response, { [`${kind} answers 200`]: (r) => r.status === 200 }));
}

function think() {
  const pauses = Math.min(-Math.log(1 - random()), THINK_MAX);
  if (THINK_MS > 0) sleep((pauses * THINK_MS) / 1000);
}

// One arrival: a person's session.
export function session(data) {
  const id = `${exec.scenario.name}_${exec.scenario.iterationInTest}`;
  random = generator(SEED * 1000003 + plan.phases.findIndex((one) => one.name === exec.scenario.name) * 7919 + exec.scenario.iterationInTest);
  const isProbe = random() < PROBE_SHARE;
  const isCold = !isProbe && random() < COLD_SHARE;
  const probe = Math.floor(random() * PROBES);
  const user = isProbe ? probeUser(probe) : isCold ? `new_${RUN}_${id}` : knownUser();
  const one = { id, user, warmth: isCold ? "cold" : "warm", items: [], sent: 0 };
  if (!firstPage(one, isProbe ? data.unloaded[probe] : 0)) return;
  while (random() < GOES_ON) {
    think();
    const step = random();
    if (isProbe || step < NEXT_PAGE) nextPage(one);
    else if (step < EVENTS) sendEvents(one);
    else preferences(one, step < PREFERENCES ? "preferences" : "preview");
  }
}

// Before the run: a catalogue if asked for, histories of the most active people, and what diversity is without load.
export function setup() {
  COUNTERS.forEach((counter) => counter.add(0));
  putItems();
  tellHistories();
  return { unloaded: Array.from({ length: PROBES }, (_, n) => unloadedIld(probeUser(n))) };
}

const probeUser = (n) => `probe_${n}`;

// The mean over some first pages: each draws other items by chance.
function unloadedIld(user) {
  let sum = 0;
  for (let n = 0; n < UNLOADED_PAGES; n++) {
    const response = http.get(feedUrl({ user }), params("unloaded"));
    if (response.status !== 200) throw new Error(`a first page before the run: ${response.status} ${response.body}`);
    const body = response.json();
    sum += body.metrics ? body.metrics.ild : 0;
  }
  return sum / UNLOADED_PAGES;
}

const TOPICS = ["science", "politics", "sport", "food", "music", "film", "travel", "health", "money", "games", "art", "nature"];

function putItems() {
  for (let from = 0; from < ITEMS; from += SEED_BATCH_ITEMS) {
    const items = [];
    for (let n = from; n < Math.min(from + SEED_BATCH_ITEMS, ITEMS); n++) {
      const topic = TOPICS[n % TOPICS.length];
      items.push({
        id: `load_${n}`,
        title: `A story of ${topic}, number ${n}`,
        topics: [topic, TOPICS[(n * 7 + 3) % TOPICS.length]].filter((name, i, all) => all.indexOf(name) === i),
        creator: { id: `creator_${(n * 31) % 240}` },
        source: `source_${n % 40}`,
        published_at: new Date(Date.now() - n * 60000).toISOString(),
      });
    }
    const response = http.post(`${BASE_URL}/v1/items`, JSON.stringify({ items }), params("seed", {}, true));
    if (response.status >= 300) throw new Error(`putting items: ${response.status} ${response.body}`);
  }
}

function tellHistories() {
  for (let n = 0; n < WARM_USERS; n++) tellHistory(`load_${n}`, n);
  for (let n = 0; n < PROBES; n++) tellHistory(probeUser(n), WARM_USERS + n);
}

function tellHistory(user, n) {
  const first = http.get(feedUrl({ user }), params("seed"));
  const items = (json(first).items || []).slice(0, WARM_OPENS);
  if (items.length === 0) throw new Error(`a feed before the run: ${first.status} ${first.body}`);
  const events = items.map((item, at) => ({ id: `history_${RUN}_${n}_${at}`, type: "open", item: item.id }));
  const response = http.post(`${BASE_URL}/v1/events`, JSON.stringify({ user, events }), params("seed", {}, true));
  if (response.status !== 202) throw new Error(`telling histories: ${response.status} ${response.body}`);
}

const number = (value) => (Math.abs(value) >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(2));

// What was asked, how fast, what went wrong, and each threshold.
export function handleSummary(data) {
  const values = (name) => (data.metrics[name] || { values: {} }).values;
  const count = (name) => values(name).count || 0;
  const rate = number(values("http_reqs").rate || 0);
  const lines = ["", `${plan.name}: requests ${count("http_reqs")} (${rate}/s), sessions ${count("iterations")}, dropped ${count("dropped_iterations")}`];
  for (const phase of plan.phases) {
    for (const kind of KINDS) {
      const ms = values(`http_req_duration{phase:${phase.name},name:${kind}}`);
      if (!ms.max) continue;
      const cell = (label, key) => `${label} ${number(ms[key] || 0)}`;
      const cells = [cell("p50", "med"), cell("p95", "p(95)"), cell("p99", "p(99)"), cell("p99.9", "p(99.9)"), cell("max", "max")];
      lines.push(`  ${phase.name.padEnd(10)} ${kind.padEnd(11)} ms: ${cells.join("  ")}`);
    }
  }
  lines.push(`refused ${count("refused")}, degraded ${number((values("degraded").rate || 0) * 100)} % of feeds; 5xx: feed ${count("feed_5xx")}, other ${count("other_5xx")}`);
  lines.push(`events: sent ${count("events_sent")}, accepted ${count("events_accepted")}, duplicate ${count("events_duplicate")}, ignored ${count("events_ignored")}, rejected ${count("events_rejected")}`);
  lines.push(`diversity: median ILD ${number(values("ild").med || 0)}, ${number(values("ild_of_unloaded").med || 0)} of unloaded`);
  lines.push(`feeds: repeated ids ${count("repeated_ids")}, pages that changed when asked again ${count("changed_pages")}`);
  for (const one of data.root_group.checks.filter((c) => c.fails > 0)) lines.push(`  check failed ${one.fails} times: ${one.name}`);
  for (const name of Object.keys(data.metrics).sort()) {
    const rules = data.metrics[name].thresholds || {};
    for (const rule of Object.keys(rules)) lines.push(`  ${rules[rule].ok ? "pass" : "FAIL"}  ${name}  ${rule}`);
  }
  const out = { stdout: `${lines.join("\n")}\n\n` };
  if (__ENV.SUMMARY) out[__ENV.SUMMARY] = JSON.stringify(data, null, 1);
  return out;
}
