/**
 * A profile that never leaves the device: what the reader did, by day, and what they said. It fades, forgets after at most 180 days, and
 * gives away at most eight topics with one of three strengths.
 */
import type { ClientInterest, EventType, ItemForm } from "./types.js";

/** Most that leaves the device: topics, and the strongest level. */
const MAX_INTERESTS = 8;
const MAX_LEVEL = 3;
/** From this share of the strongest liking on, a topic has the level. */
const LEVEL_FROM: readonly (readonly [level: number, share: number])[] = [
  [3, 0.6],
  [2, 0.3],
  [1, 0.1],
];
/** The longest time anything is kept, in days. */
const MAX_DAYS = 180;
/** Likings and dislikes halve in this time, in days: as in the server's own profiles. */
const HALF_LIFE_DAYS = 30;
/** Facet values kept for each day; the weakest go first. */
const MAX_VALUES_PER_DAY = 64;
const MAX_ITEMS = 5_000;
const DAY_MS = 86_400_000;
/** Liking by kind of act, per unit of topic weight: the server's numbers. */
const LIKING: Partial<Record<string, number>> = { open: 1, dwell: 1, like: 2, save: 2, share: 2, reply: 1.5, follow: 2, more_like: 3 };
const CREATOR_SHARE = 0.7;
const FULL_DWELL_MS = 30_000;
const DWELL_SHARE = 0.5;
const DISLIKE_BY_SCOPE = 3;
const DISLIKE_BY_ITEM = 0.5;

type FacetName = "topic" | "creator" | "source";
/** Facet value, as `topic:science`, to weight. */
type Weights = Record<string, number>;

interface Kept {
  version: 1;
  /** Days since 1970 to what was done on that day. */
  days: Record<string, { likings: Weights; dislikes: Weights; items: Record<string, "opened" | "hidden"> }>;
  /** Until the reader takes it back. */
  said: { topics: Record<string, number>; follows: string[]; blocked: string[] };
  /** What left the device last, and on which day. */
  told?: { day: number; interests: ClientInterest[] };
}

export interface DeviceEvent {
  type: EventType;
  scope?: "item" | "topic" | "creator" | "source";
  visible_ms?: number;
}

/** What ranking on the device may know of the reader. */
export interface Taste {
  /** Liking, the strongest 1. */
  topics: ReadonlyMap<string, number>;
  creators: ReadonlyMap<string, number>;
  follows: ReadonlySet<string>;
  /** 0 to 1, by facet value such as `topic:celebrity`. */
  dislikes: ReadonlyMap<string, number>;
}

export interface DeviceProfileOptions {
  /** Where it is kept, such as `localStorage`; without it the profile lasts as long as the page. */
  storage?: Pick<Storage, "getItem" | "setItem" | "removeItem">;
  /** Name of its entry. Default `polyphony.profile`. */
  storageKey?: string;
  /** How long anything is remembered, 1 to 180 days. Default 180. */
  keepDays?: number;
  now?: () => Date;
}

export class DeviceProfile {
  readonly #options: DeviceProfileOptions;
  readonly #keepDays: number;
  #kept: Kept;

  /** Throws a `RangeError` when `keepDays` is not from 1 to 180. */
  constructor(options: DeviceProfileOptions = {}) {
    const days = options.keepDays ?? MAX_DAYS;
    if (!(days >= 1 && days <= MAX_DAYS)) throw new RangeError(`keepDays is ${days}; expected 1 to ${MAX_DAYS}`);
    this.#options = options;
    this.#keepDays = Math.floor(days);
    this.#kept = this.#restored();
  }

  /** Learns from an act on an item of a feed. Times are kept as days. */
  record(event: DeviceEvent, item: ItemForm): void {
    const kept = this.#today();
    const scope = event.scope ?? "item";
    const strength = strengthOf(event);
    if (strength > 0) this.#like(kept.likings, item, strength, event.type === "more_like" ? scope : "item");
    if (event.type === "less_like" || event.type === "report") this.#dislike(kept.dislikes, item, scope);
    if (event.type === "follow" && item.creator) this.#kept.said.follows = [...new Set([...this.#kept.said.follows, item.creator.id])];
    if (event.type === "hide" && scope !== "item") {
      this.#kept.said.blocked = [...new Set([...this.#kept.said.blocked, ...valuesOf(item, scope).map(([name]) => name)])];
    }
    const isTurnedDown = ["hide", "less_like", "report"].includes(event.type);
    if ((isTurnedDown && scope === "item") || strength > 0) kept.items[item.id] = isTurnedDown ? "hidden" : "opened";
    trim(kept.likings);
    trim(kept.dislikes);
    this.#save();
  }

  /** Sets a topic by hand, from −1 (none of it) to 1 (more of it); `undefined` takes that back. What is set counts as said. */
  setTopic(topic: string, level: number | undefined): void {
    if (level !== undefined && !(level >= -1 && level <= 1)) throw new RangeError(`level is ${level}; expected -1 to 1`);
    if (level === undefined) delete this.#kept.said.topics[topic];
    else this.#kept.said.topics[topic] = level;
    // What is said counts at once.
    delete this.#kept.told;
    this.#save();
  }

  /** Forgets what was learned about a topic. */
  forget(topic: string): void {
    for (const day of Object.values(this.#kept.days)) {
      delete day.likings[`topic:${topic}`];
      delete day.dislikes[`topic:${topic}`];
    }
    delete this.#kept.said.topics[topic];
    delete this.#kept.told;
    this.#save();
  }

  /** Forgets everything. */
  clear(): void {
    this.#kept = empty();
    this.#options.storage?.removeItem(this.#key());
  }

  /**
   * All that leaves the device: at most 8 topics with a level from 1 to 3, the same for a whole day, so that no single act shows. What is
   * said by hand counts at once.
   */
  interests(): ClientInterest[] {
    const day = this.#day();
    const { told } = this.#kept;
    if (told !== undefined && told.day === day && told.interests.length > 0) return told.interests;
    const interests = this.#coarse();
    this.#kept.told = { day, interests };
    this.#save();
    return interests;
  }

  /** All that is known, for ranking on the device. */
  taste(): Taste {
    const likings = this.#faded("likings");
    const dislikes = new Map([...this.#faded("dislikes")].map(([name, weight]) => [name, weight / (1 + weight)]));
    const topics = scaled(likings, "topic");
    for (const [topic, level] of Object.entries(this.#kept.said.topics)) {
      topics.set(topic, Math.max(level, 0));
      if (level < 0) dislikes.set(`topic:${topic}`, -level);
    }
    return { topics, creators: scaled(likings, "creator"), follows: new Set(this.#kept.said.follows), dislikes };
  }

  /** Whether the item may be shown: it was not opened or turned down, and nothing of it is blocked. */
  allows(item: ItemForm): boolean {
    const isKnown = Object.values(this.#kept.days).some((day) => Object.hasOwn(day.items, item.id));
    const blocked = new Set(this.#kept.said.blocked);
    const facets: FacetName[] = ["topic", "creator", "source"];
    return !isKnown && !facets.some((facet) => valuesOf(item, facet, true).some(([name]) => blocked.has(name)));
  }

  /** Everything that is kept, to look at and to take along. */
  export(): string {
    return JSON.stringify(this.#kept);
  }

  /** Takes the place of what is kept. Throws a `SyntaxError` when the text is no profile. */
  import(text: string): void {
    this.#kept = read(text);
    this.#expire();
    this.#save();
  }

  #coarse(): ClientInterest[] {
    const said = this.#kept.said.topics;
    const learned = [...scaled(this.#faded("likings"), "topic")].filter(([topic]) => !(topic in said));
    const levels: [topic: string, level: number, weight: number][] = [];
    for (const [topic, weight] of learned) {
      const level = LEVEL_FROM.find(([, share]) => weight >= share)?.[0];
      if (level !== undefined) levels.push([topic, level, weight]);
    }
    for (const [topic, level] of Object.entries(said)) {
      if (level > 0) levels.push([topic, Math.ceil(level * MAX_LEVEL), 1 + level]);
    }
    levels.sort((a, b) => b[1] - a[1] || b[2] - a[2] || (a[0] < b[0] ? -1 : 1));
    const kept = levels.slice(0, MAX_INTERESTS).map(([topic, level]) => ({ topic, level }));
    // By name: the order would say more than the levels do.
    return kept.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  }

  #like(likings: Weights, item: ItemForm, strength: number, scope: NonNullable<DeviceEvent["scope"]>): void {
    if (scope !== "item") {
      for (const [name, weight] of valuesOf(item, scope)) add(likings, name, strength * weight);
      return;
    }
    for (const { topic, weight } of item.topics) add(likings, `topic:${topic}`, strength * weight);
    if (item.creator) add(likings, `creator:${item.creator.id}`, strength * CREATOR_SHARE);
  }

  #dislike(dislikes: Weights, item: ItemForm, scope: NonNullable<DeviceEvent["scope"]>): void {
    if (scope === "item") {
      for (const { topic, weight } of item.topics) add(dislikes, `topic:${topic}`, DISLIKE_BY_ITEM * weight);
    } else {
      for (const [name, weight] of valuesOf(item, scope)) add(dislikes, name, DISLIKE_BY_SCOPE * weight);
    }
  }

  #faded(which: "likings" | "dislikes"): Map<string, number> {
    const today = this.#day();
    const sums = new Map<string, number>();
    for (const [day, kept] of Object.entries(this.#kept.days)) {
      const age = today - Number(day);
      if (age >= this.#keepDays) continue;
      const fade = 0.5 ** (Math.max(age, 0) / HALF_LIFE_DAYS);
      for (const [name, weight] of Object.entries(kept[which])) sums.set(name, (sums.get(name) ?? 0) + weight * fade);
    }
    return sums;
  }

  #today(): Kept["days"][string] {
    this.#expire();
    return (this.#kept.days[this.#day()] ??= { likings: {}, dislikes: {}, items: {} });
  }

  #expire(): void {
    const first = this.#day() - this.#keepDays + 1;
    for (const day of Object.keys(this.#kept.days)) if (Number(day) < first) delete this.#kept.days[day];
    let items = 0;
    for (const day of Object.keys(this.#kept.days).map(Number).sort((a, b) => b - a)) {
      const kept = this.#kept.days[day];
      if (kept === undefined) continue;
      items += Object.keys(kept.items).length;
      if (items > MAX_ITEMS) kept.items = {};
    }
  }

  #day(): number {
    return Math.floor((this.#options.now?.() ?? new Date()).getTime() / DAY_MS);
  }

  #key(): string {
    return this.#options.storageKey ?? "polyphony.profile";
  }

  #save(): void {
    try {
      this.#options.storage?.setItem(this.#key(), JSON.stringify(this.#kept));
    } catch {
      // A full storage: the page still has it.
    }
  }

  #restored(): Kept {
    const text = this.#options.storage?.getItem(this.#key());
    if (text === undefined || text === null) return empty();
    try {
      const kept = read(text);
      const first = Math.floor((this.#options.now?.() ?? new Date()).getTime() / DAY_MS) - this.#keepDays + 1;
      for (const day of Object.keys(kept.days)) if (Number(day) < first) delete kept.days[day];
      return kept;
    } catch {
      return empty();
    }
  }
}

function empty(): Kept {
  return { version: 1, days: {}, said: { topics: {}, follows: [], blocked: [] } };
}

function read(text: string): Kept {
  const kept = JSON.parse(text) as Partial<Kept> | null;
  const isOne = kept?.version === 1 && typeof kept.days === "object" && typeof kept.said?.topics === "object";
  if (!isOne || !Array.isArray(kept.said?.follows) || !Array.isArray(kept.said.blocked)) throw new SyntaxError("not a profile of this kit");
  return kept as Kept;
}

function strengthOf(event: DeviceEvent): number {
  const full = LIKING[event.type] ?? 0;
  return event.type === "dwell" ? full * DWELL_SHARE * Math.min((event.visible_ms ?? 0) / FULL_DWELL_MS, 1) : full;
}

/** The item's values of a facet; of its topics the heaviest, unless `all`. */
function valuesOf(item: ItemForm, facet: string, all = false): [name: string, weight: number][] {
  if (facet === "creator") return item.creator ? [[`creator:${item.creator.id}`, 1]] : [];
  if (facet === "source") return item.source !== undefined ? [[`source:${item.source}`, 1]] : [];
  const heaviest = Math.max(0, ...item.topics.map(({ weight }) => weight));
  const topics = item.topics.filter(({ weight }) => all || weight >= heaviest);
  return topics.map(({ topic, weight }) => [`topic:${topic}`, weight]);
}

function add(weights: Weights, name: string, weight: number): void {
  weights[name] = (weights[name] ?? 0) + weight;
}

function trim(weights: Weights): void {
  const names = Object.keys(weights);
  const surplus = names.length - MAX_VALUES_PER_DAY;
  if (surplus <= 0) return;
  names.sort((a, b) => (weights[a] ?? 0) - (weights[b] ?? 0) || (a < b ? -1 : 1));
  for (const name of names.slice(0, surplus)) delete weights[name];
}

/** Of one facet, the strongest 1. */
function scaled(weights: ReadonlyMap<string, number>, facet: FacetName): Map<string, number> {
  const prefix = `${facet}:`;
  const own = [...weights].filter(([name, weight]) => name.startsWith(prefix) && weight > 0);
  const strongest = Math.max(0, ...own.map(([, weight]) => weight));
  return new Map(own.map(([name, weight]) => [name.slice(prefix.length), weight / strongest]));
}
