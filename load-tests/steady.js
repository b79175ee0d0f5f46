// The expected rate, for long enough to quote p99.9: what people get on an ordinary day.
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("steady");
export { handleSummary, session as default, setup };
