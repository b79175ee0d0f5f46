// A ramp until answers are late: at what rate does the first promise break? Ends when p95 of the whole run is past its limit.
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("breakpoint");
export { handleSummary, session as default, setup };
