// The expected rate for hours: does anything grow that should not?
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("soak");
export { handleSummary, session as default, setup };
