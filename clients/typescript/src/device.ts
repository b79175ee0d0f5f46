/** Feeds for a reader whose profile stays on the device: coarse interests go out, candidates come in, and the ranking is done here. */
import { DeviceProfile, type DeviceEvent, type DeviceProfileOptions } from "./profile.js";
import { candidateOf, rerank, type Candidate } from "./rerank.js";
import { Transport, type TransportOptions } from "./transport.js";
import type { FeedPage, FeedRequest, PlacedItem } from "./types.js";

export interface DeviceFeedOptions extends TransportOptions {
  /** Default: a new one, in memory. */
  profile?: DeviceProfile | DeviceProfileOptions;
  /** Default `home`. */
  surface?: string;
  /** Items on a page that is shown, 1 to 100. Default 20. */
  limit?: number;
  /** Candidates asked for at once, `limit` to 100. Default 100: the more, the more the device decides. */
  candidates?: number;
}

/** A page as it is shown. */
export interface DeviceFeedPage {
  feed_id: string;
  items: PlacedItem[];
  /** The answer it was made from, with its own order. */
  served: FeedPage;
}

/**
 * Asks without any id, cookie or event. Leave `token` out where the server takes callers without one; else use one whose subject is the
 * same for everybody.
 */
export class DeviceFeed {
  readonly profile: DeviceProfile;
  readonly #transport: Transport;
  readonly #options: DeviceFeedOptions;

  /** Throws a `RangeError` when `limit` or `candidates` is out of range. */
  constructor(options: DeviceFeedOptions) {
    const limit = options.limit ?? 20;
    const candidates = options.candidates ?? 100;
    if (!(limit >= 1 && limit <= 100)) throw new RangeError(`limit is ${limit}; expected 1 to 100`);
    if (!(candidates >= limit && candidates <= 100)) throw new RangeError(`candidates is ${candidates}; expected ${limit} to 100`);
    this.#options = { ...options, limit, candidates };
    this.#transport = new Transport(options);
    this.profile = options.profile instanceof DeviceProfile ? options.profile : new DeviceProfile(options.profile);
  }

  /** Learns from what the reader did, here and nowhere else. */
  record(event: DeviceEvent, placed: PlacedItem): void {
    if (placed.item !== undefined) this.profile.record(event, placed.item);
  }

  /** Page after page. */
  async *pages(signal?: AbortSignal): AsyncGenerator<DeviceFeedPage, void, undefined> {
    const { surface = "home", limit = 20, candidates = 100 } = this.#options;
    const interests = this.profile.interests();
    const shown: Candidate[] = [];
    let cursor: string | undefined;
    do {
      const body: FeedRequest = { surface, mode: "client_profile", interests, limit: candidates, ...(cursor === undefined ? {} : { cursor }) };
      const served: FeedPage = await this.#transport.call("post", "/v1/feed", { body, signal });
      const allows = (item: PlacedItem): boolean => item.item !== undefined && this.profile.allows(item.item);
      let rest = rerank(served, this.profile.taste(), { before: shown, allows }).items;
      while (rest.length > 0) {
        const items = rest.slice(0, limit);
        rest = rest.slice(limit);
        shown.push(...items.map(candidateOf).filter((candidate) => candidate !== undefined));
        yield { feed_id: served.feed_id, items, served };
      }
      cursor = served.page.next;
    } while (cursor !== undefined);
  }
}
