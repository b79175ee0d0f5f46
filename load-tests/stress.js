// One and a half times and twice the expected rate: is there room for a bad day?
import { handleSummary, options as planned, session, setup } from "./lib.js";

export const options = planned("stress");
export { handleSummary, session as default, setup };
