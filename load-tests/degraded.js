// Redis goes away mid-run and comes back: no feed may fail, and no acknowledged event may be lost (`verify_events.js`).
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("degraded");
export { handleSummary, session as default, setup };
