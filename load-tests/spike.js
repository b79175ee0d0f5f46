// Ten times the rate at once, and back: is what is too much refused at once, and is all well afterwards?
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("spike");
export { handleSummary, session as default, setup };
