// A short run at a modest rate: does everything work together, and is nothing slow by an order of magnitude?
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("smoke");
export { handleSummary, session as default, setup };
