// Sends every event that was acknowledged once more (ACKED: the console output of a run): all must be duplicates.
// An event the server accepts a second time is one it had acknowledged and lost.
import http from "k6/http";
import encoding from "k6/encoding";
import exec from "k6/execution";
import { check } from "k6";
import { Counter } from "k6/metrics";
import { BASE_URL, params } from "./lib.js";

const batches = [...open(__ENV.ACKED).matchAll(/ACK ([A-Za-z0-9+/=]+)/g)].map(([, text]) => encoding.b64decode(text, "std", "s"));
const confirmed = new Counter("events_confirmed");
const lost = new Counter("events_lost");

export const options = {
  vus: 1,
  iterations: 1,
  thresholds: { events_confirmed: ["count>0"], events_lost: ["count==0"], checks: ["rate==1"] },
};

export default function () {
  lost.add(0);
  for (const batch of batches) {
    const events = JSON.parse(batch).events;
    const response = http.post(`${BASE_URL}/v1/events`, batch, params("verify", {}, true));
    const answered = check(response, { "a repeated batch answers 202": (r) => r.status === 202 });
    if (!answered) exec.test.abort(`${response.status} ${response.body}`);
    const answer = response.json();
    confirmed.add(answer.duplicates || 0);
    // What the person did not want kept (dwell, sensitive topics) was never acknowledged as kept, and is ignored again.
    lost.add(events.length - (answer.duplicates || 0) - (answer.ignored || 0));
  }
  for (const user of ["load_0", "load_1", "load_2"]) {
    const response = http.get(`${BASE_URL}/v1/feed?surface=home&user=${user}`, params("recovered"));
    check(response, { "feeds are whole again": (r) => r.status === 200 && !r.json().degraded });
  }
}

export function handleSummary(data) {
  const count = (name) => (data.metrics[name] ? data.metrics[name].values.count : 0);
  const failed = data.root_group.checks.filter((c) => c.fails > 0).map((c) => `  check failed ${c.fails} times: ${c.name}\n`);
  return { stdout: `acknowledged events sent again: ${count("events_confirmed")} known, ${count("events_lost")} lost\n${failed.join("")}\n` };
}
