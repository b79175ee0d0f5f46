/** Client of the Polyphony feed server. */
export { Polyphony, type ClientOptions, type FeedOptions } from "./client.js";
export { DeviceFeed, type DeviceFeedOptions, type DeviceFeedPage } from "./device.js";
export { EventQueue, type EventQueueOptions, type NewEvent, type QueuedEvent } from "./events.js";
export { PolyphonyProblem } from "./problem.js";
export { DeviceProfile, type DeviceEvent, type DeviceProfileOptions, type Taste } from "./profile.js";
export { rerank, select, similarity, type Candidate, type RerankOptions, type Reranked } from "./rerank.js";
export { score, type Scored } from "./score.js";
export { PolyphonyUnreachable, Transport, type Credential, type TransportOptions } from "./transport.js";
export type * from "./types.js";
export type { components, operations, paths } from "./schema.js";
