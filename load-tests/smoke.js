// A short run at a modest rate: does everything work together, and is nothing slow by an order of magnitude?
// `REDIS_OUTAGE=1` allows what an outage may cost: events answered 503, degraded feeds. Never a failed feed.
import http from "k6/http";
import { BASE_URL, arrive, params, report, zeroCounters } from "./lib.js";

const RATE = Number(__ENV.RATE || 50);
const DURATION = __ENV.DURATION || "20s";
const OUTAGE = __ENV.REDIS_OUTAGE === "1";
const P95_MS = Number(__ENV.P95_MS || (OUTAGE ? 500 : 100));
// Arrivals that found no free virtual user: above this share the load was not what it says.
const DROPPED_SHARE_MAX = 0.001;
const SEED_ITEMS = Number(__ENV.SEED_ITEMS || 0);
const SEED_BATCH_ITEMS = 500;

function seconds(text) {
  const units = { ms: 0.001, s: 1, m: 60, h: 3600 };
  return [...text.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit], 0);
}

export const options = {
  scenarios: {
    // Open model: people do not wait for each other's answers. See README.md.
    arrivals: {
      executor: "constant-arrival-rate",
      exec: "default",
      rate: RATE,
      timeUnit: "1s",
      duration: DURATION,
      preAllocatedVUs: Math.max(20, Math.ceil(RATE / 2)),
      maxVUs: Math.max(100, RATE * 10),
      gracefulStop: "10s",
    },
  },
  summaryTrendStats: ["med", "p(95)", "p(99)", "max"],
  thresholds: {
    "http_req_duration{name:first_page}": [`p(95)<${P95_MS}`],
    "http_req_duration{name:next_page}": [`p(95)<${P95_MS}`],
    "http_req_duration{name:events}": OUTAGE ? [] : [`p(95)<${P95_MS}`],
    "http_req_duration{name:item}": [`p(95)<${P95_MS}`],
    failures: ["rate<0.001"],
    checks: ["rate>0.999"],
    feed_5xx: ["count==0"],
    item_5xx: ["count==0"],
    events_other_5xx: ["count==0"],
    events_503: OUTAGE ? [] : ["count==0"],
    degraded: OUTAGE ? [] : ["rate<0.01"],
    events_accepted: ["count>0"],
    repeated_ids: ["count==0"],
    changed_pages: ["count==0"],
    dropped_iterations: [`count<=${Math.ceil(RATE * seconds(DURATION) * DROPPED_SHARE_MAX)}`],
  },
};

// Fills an empty server with synthetic items; `polyphony demo` has its own and needs none.
export function setup() {
  zeroCounters();
  const topics = ["science", "politics", "sport", "food", "music", "film", "travel", "health", "money", "games", "art", "nature"];
  for (let from = 0; from < SEED_ITEMS; from += SEED_BATCH_ITEMS) {
    const items = [];
    for (let n = from; n < Math.min(from + SEED_BATCH_ITEMS, SEED_ITEMS); n++) {
      const topic = topics[n % topics.length];
      items.push({
        id: `load_${n}`,
        title: `A story of ${topic}, number ${n}`,
        topics: [topic, topics[(n * 7 + 3) % topics.length]].filter((name, i, all) => all.indexOf(name) === i),
        creator: { id: `creator_${(n * 31) % 240}` },
        source: `source_${n % 40}`,
        published_at: new Date(Date.now() - n * 60000).toISOString(),
      });
    }
    const response = http.post(`${BASE_URL}/v1/items`, JSON.stringify({ items }), params("seed", true));
    if (response.status >= 300) throw new Error(`seeding items: ${response.status} ${response.body}`);
  }
}

export default function () {
  arrive();
}

export const handleSummary = report;
