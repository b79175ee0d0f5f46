/** Names for what the OpenAPI document describes; `schema.ts` is made from it. */
import type { components } from "./schema.js";

type Schemas = components["schemas"];

export type FeedPage = Schemas["FeedPage"];
export type PlacedItem = Schemas["PlacedItem"];
export type ItemForm = Schemas["ItemForm"];
export type FeedRequest = Schemas["FeedRequest"];
export type ClientInterest = Schemas["ClientInterest"];
export type LocalRanking = Schemas["LocalRanking"];
export type LocalConstraint = Schemas["LocalConstraint"];
export type FeedEvent = Schemas["Event"];
export type EventType = FeedEvent["type"] | `x_${string}`;
export type EventsAnswer = Schemas["EventsAnswer"];
export type Preferences = Schemas["Preferences"];
export type PreferencesForm = Schemas["PreferencesForm"];
export type Interests = Schemas["Interests"];
export type Consent = Schemas["Consent"];
export type ConsentForm = Schemas["ConsentForm"];
export type ConsentForms = Schemas["ConsentForms"];
export type ConsentReceipts = Schemas["ConsentReceipts"];
export type Decision = Schemas["Decision"];
export type ProblemBody = Schemas["Problem"];
export type Fault = Schemas["Fault"];
