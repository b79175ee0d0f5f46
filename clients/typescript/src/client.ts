/** The client: feeds page by page, events, and all that readers set, decide and ask. */
import { EventQueue, type EventQueueOptions } from "./events.js";
import { Transport, type Answer, type CallOptions, type Method, type PathOf, type TransportOptions } from "./transport.js";
import type { ConsentForm, Consent, ConsentForms, ConsentReceipts, Decision, FeedPage, FeedRequest, Interests, PlacedItem, Preferences, PreferencesForm } from "./types.js";

export interface ClientOptions extends TransportOptions {
  /** Whom a server key speaks for. Leave it out with a user token, which names its subject. */
  user?: string;
  events?: EventQueueOptions;
}

/** What to ask of a feed; `cursor` is the client's business. */
export type FeedOptions = Omit<FeedRequest, "cursor" | "user"> & { signal?: AbortSignal };

export class Polyphony {
  readonly #transport: Transport;
  readonly #user: string | undefined;
  readonly #eventOptions: EventQueueOptions;
  #events: EventQueue | undefined;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.#user = options.user;
    this.#eventOptions = options.events ?? {};
  }

  /** Any operation of the API, with the types of its document. */
  call<M extends Method, P extends PathOf<M>>(method: M, path: P, options: CallOptions<P, M> = {}): Promise<Answer<P, M>> {
    return this.#transport.call(method, path, options);
  }

  /** A feed, page by page: each is asked for when the loop comes to it, and no item comes twice. */
  async *feed(options: FeedOptions = {}): AsyncGenerator<FeedPage, void, undefined> {
    const { signal, ...asked } = options;
    const user = this.#user === undefined ? {} : { user: this.#user };
    let cursor: string | undefined;
    do {
      const body: FeedRequest = { ...asked, ...user, ...(cursor === undefined ? {} : { cursor }) };
      const page: FeedPage = await this.#transport.call("post", "/v1/feed", { body, signal });
      yield page;
      cursor = page.page.next;
    } while (cursor !== undefined);
  }

  /** The same, item by item. */
  async *items(options: FeedOptions = {}): AsyncGenerator<PlacedItem & { feed_id: string }, void, undefined> {
    for await (const page of this.feed(options)) {
      for (const item of page.items) yield { ...item, feed_id: page.feed_id };
    }
  }

  /** Events on their way. The first use starts to listen to the page. */
  get events(): EventQueue {
    this.#events ??= new EventQueue(this.#transport, this.#eventOptions, this.#user);
    return this.#events;
  }

  /** Why an item stood where it stood, and what would have changed it. */
  decision(feedId: string, itemId: string, signal?: AbortSignal): Promise<Decision> {
    const query = this.#user === undefined ? {} : { query: { user: this.#user } };
    return this.#transport.call("get", "/v1/decisions/{feed_id}/items/{id}", { path: { feed_id: feedId, id: itemId }, ...query, signal });
  }

  readonly preferences = {
    get: (signal?: AbortSignal): Promise<Preferences> => this.#mine("get", "/v1/me/preferences", { signal }),
    /** Replaces all of it; what is left out is back at its default. */
    set: (body: PreferencesForm, signal?: AbortSignal): Promise<Preferences> => this.#mine("put", "/v1/me/preferences", { body, signal }),
    /** Both pages and what differs; nothing is kept. */
    preview: (body: PreferencesForm, signal?: AbortSignal) => this.#mine("post", "/v1/me/preferences/preview", { body, signal }),
    presets: (signal?: AbortSignal) => this.#transport.call("get", "/v1/preferences/presets", { signal }),
  };

  readonly interests = {
    list: (signal?: AbortSignal): Promise<Interests> => this.#mine("get", "/v1/me/interests", { signal }),
    /** Removes the topic: it is not learned again. */
    remove: (topic: string, signal?: AbortSignal): Promise<Interests> => this.#mine("delete", "/v1/me/interests/{topic}", { path: { topic }, signal }),
  };

  readonly consent = {
    get: (signal?: AbortSignal): Promise<Consent> => this.#mine("get", "/v1/me/consent", { signal }),
    /** `decisions` of the purposes that were decided; the others stay as they are. */
    decide: (body: ConsentForm, signal?: AbortSignal): Promise<Consent> => this.#mine("put", "/v1/me/consent", { body, signal }),
    receipts: (signal?: AbortSignal): Promise<ConsentReceipts> => this.#mine("get", "/v1/me/consent/receipts", { signal }),
    /** The forms to ask with, to be drawn as they are. */
    forms: (signal?: AbortSignal): Promise<ConsentForms> => this.#transport.call("get", "/v1/consent/forms", { signal }),
  };

  /** All that is kept about the person. */
  export(signal?: AbortSignal) {
    return this.#mine("get", "/v1/me/export", { signal });
  }

  /** Erases the person and returns the receipt. */
  erase(signal?: AbortSignal) {
    return this.#mine("delete", "/v1/me", { signal });
  }

  /** How feeds are made, and what everybody can change about it. */
  transparency(signal?: AbortSignal) {
    return this.#transport.call("get", "/v1/transparency", { signal });
  }

  /** A call about the reader: the token's subject, or whom the server key speaks for. */
  #mine<M extends Method, P extends PathOf<M>>(method: M, path: P, options: CallOptions<P, M>): Promise<Answer<P, M>> {
    if (this.#user === undefined) return this.#transport.call(method, path, options);
    const twin = (path as string).replace(/^\/v1\/me/, "/v1/users/{id}") as P;
    const named = { ...options, path: { ...(options.path as object | undefined), id: this.#user } } as unknown as CallOptions<P, M>;
    return this.#transport.call(method, twin, named);
  }
}
