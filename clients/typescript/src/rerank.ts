/** Ranking a page again on the device: the server's maximal marginal relevance over what the page says of its items. */
import type { Taste } from "./profile.js";
import { score, type Scored } from "./score.js";
import type { FeedPage, LocalConstraint, LocalRanking, PlacedItem } from "./types.js";

const f = Math.fround;
/** Similarity of two items that share no axis: the server's. */
const UNKNOWN = f(0.1);

/** What ranking knows of an item. */
export interface Candidate {
  id: string;
  topics: readonly { topic: string; weight: number }[];
  creator?: string;
  source?: string;
  viewpoint?: string;
  language?: string;
  format?: string;
  /** What it is worth to everybody, 0 to 1 by feature. */
  signals?: Readonly<Record<string, number>>;
}

export interface RerankOptions {
  /** Items of earlier pages, in their order: what comes now is unlike them too, and the rules hold across. */
  before?: readonly Candidate[];
  /** What must not come. */
  allows?: (item: PlacedItem) => boolean;
}

export interface Reranked {
  items: PlacedItem[];
  /** What the items are worth to this reader, best first. */
  scored: Scored[];
  /** What was diversified by: `mmr` also where the policy has a method that only the server has. */
  method: "mmr" | "none";
}

/** An item of a page as a candidate; `undefined` when the page came without items (`hydrate: "none"`). */
export function candidateOf(placed: PlacedItem): Candidate | undefined {
  const { item } = placed;
  if (item === undefined) return undefined;
  const { creator, source, viewpoint, language, format } = item;
  const facets = { ...(creator && { creator: creator.id }), ...(source && { source }), ...(viewpoint && { viewpoint }), ...(language && { language }), ...(format && { format }) };
  return { id: placed.id, topics: item.topics, ...facets, ...(placed.signals && { signals: placed.signals }) };
}

/**
 * The page's items in the order of this reader's taste, varied as the policy says. Items drawn by chance keep their positions: they are
 * there to be outside the profile. Throws a `TypeError` when the page was not made with `interests`.
 */
export function rerank(page: FeedPage, taste: Taste, options: RerankOptions = {}): Reranked {
  const { ranking, weights } = page;
  if (ranking === undefined || weights === undefined) throw new TypeError("the page has no `ranking`: ask with `interests`");
  const allowed = page.items.filter((item) => item.item !== undefined && (options.allows?.(item) ?? true));
  const drawn = new Map<number, PlacedItem>();
  const first = page.items[0]?.position ?? 0;
  for (const item of allowed) if (item.slot === "exploration") drawn.set(item.position - first, item);
  const ranked = allowed.filter((item) => item.slot !== "exploration");
  const byId = new Map(ranked.map((item) => [item.id, item]));
  const candidates = ranked.map(candidateOf).filter((candidate) => candidate !== undefined);
  const scored = score(candidates, taste, weights, ranking.normalize);
  const pinned = new Map([...drawn].map(([at, item]) => [at, candidateOf(item)] as const).filter((pair): pair is [number, Candidate] => pair[1] !== undefined));
  const order = select(scored, ranking, { before: options.before ?? [], pinned });
  const drawnById = new Map([...drawn.values()].map((item) => [item.id, item]));
  const items = order.flatMap(({ id }) => byId.get(id) ?? drawnById.get(id) ?? []);
  return { items, scored, method: ranking.method === "none" ? "none" : "mmr" };
}

interface SelectOptions {
  before?: readonly Candidate[];
  /** Fixed by 0-based place in the result. */
  pinned?: ReadonlyMap<number, Candidate>;
}

/** An item of the slate with the objective it won by; `undefined` for one that was fixed. */
export interface Selected {
  id: string;
  objective: number | undefined;
}

/**
 * Maximal marginal relevance (Carbonell & Goldstein 1998): each next item has the greatest `λ·relevance − (1 − λ)·likeness` to those before
 * it. Ties go to the higher relevance, then the lower id. `scored` is sorted so. Past `ranking.pool` the rest follows by relevance.
 */
export function select(scored: readonly Scored[], ranking: LocalRanking, options: SelectOptions = {}): Selected[] {
  const before = options.before ?? [];
  const pinned = options.pinned ?? new Map<number, Candidate>();
  const lambda = lambdaOf(ranking);
  const placed: Candidate[] = [...before];
  const open = new Set(scored.keys());
  const slate: Selected[] = [];
  const known = scored.map(() => ({ likeness: [] as number[], sum: 0, greatest: 0 }));
  const total = scored.length + pinned.size;
  while (slate.length < total) {
    const fixed = pinned.get(slate.length);
    if (fixed !== undefined) {
      slate.push({ id: fixed.id, objective: undefined });
      placed.push(fixed);
      continue;
    }
    const best = bestOf(scored, known, open, placed, lambda, ranking);
    if (best === undefined) {
      // Only fixed ones are left, whose places were never reached.
      const rest = [...pinned].filter(([at]) => at > slate.length).sort((a, b) => a[0] - b[0]);
      slate.push(...rest.map(([, { id }]) => ({ id, objective: undefined })));
      break;
    }
    open.delete(best.index);
    const { candidate } = scored[best.index] as Scored;
    slate.push({ id: candidate.id, objective: best.objective });
    placed.push(candidate);
  }
  return slate;
}

/** A method that only the server has is replaced by MMR over all items before, at the same diversity. */
function lambdaOf(ranking: LocalRanking): number {
  if (ranking.method === "none") return 1;
  return ranking.method === "mmr" ? f(ranking.lambda) : f(1 - f(ranking.diversity));
}

interface Known {
  likeness: number[];
  sum: number;
  greatest: number;
}

function bestOf(scored: readonly Scored[], known: Known[], open: ReadonlySet<number>, placed: readonly Candidate[], lambda: number, ranking: LocalRanking): { index: number; objective: number } | undefined {
  let best: { index: number; objective: number; broken: number } | undefined;
  const isDiversified = [...open].some((index) => index < ranking.pool);
  for (const index of open) {
    if (isDiversified && index >= ranking.pool) continue;
    const { candidate, relevance } = scored[index] as Scored;
    const objective = lambda >= 1 || !isDiversified ? relevance : f(f(lambda * relevance) - f(f(1 - lambda) * penalty(known[index] as Known, candidate, placed, ranking)));
    const broken = firstBroken(ranking.constraints, placed, candidate);
    // A rule is kept before any objective, and one declared earlier before one declared later.
    const wins = best === undefined || broken > best.broken || (broken === best.broken && objective > best.objective);
    if (wins) best = { index, objective, broken };
  }
  return best;
}

/** How much the candidate is like those before it. */
function penalty(known: Known, candidate: Candidate, placed: readonly Candidate[], ranking: LocalRanking): number {
  for (let at = known.likeness.length; at < placed.length; at += 1) {
    const alike = similarity(placed[at] as Candidate, candidate, ranking.similarity);
    known.likeness.push(alike);
    known.sum = f(known.sum + alike);
    known.greatest = Math.max(known.greatest, alike);
  }
  const isMmr = ranking.method === "mmr";
  const isMax = isMmr && ranking.aggregate === "max";
  if (!isMmr || ranking.window === 0) return isMax ? known.greatest : f(known.sum / Math.max(placed.length, 1));
  const within = known.likeness.slice(Math.max(0, placed.length - ranking.window));
  if (isMax) return Math.max(0, ...within);
  return f(within.reduce((sum, alike) => f(sum + alike), 0) / Math.max(within.length, 1));
}

/**
 * How alike two items are, 0 to 1: weighted Jaccard of the topics and equality of creator, source, viewpoint and language, over the axes
 * that both have. Embeddings stay on the server; as there, an axis that is not known weighs nothing.
 */
export function similarity(a: Candidate, b: Candidate, weights: Readonly<Record<string, number>>): number {
  let sum = 0;
  let weight = 0;
  const topic = f(weights["topic"] ?? 0);
  if (topic > 0 && a.topics.length > 0 && b.topics.length > 0) {
    sum = f(sum + f(topic * jaccard(a.topics, b.topics)));
    weight = f(weight + topic);
  }
  for (const axis of ["creator", "source", "viewpoint", "language"] as const) {
    const own = f(weights[axis] ?? 0);
    if (own > 0 && a[axis] !== undefined && b[axis] !== undefined) {
      sum = f(sum + f(own * (a[axis] === b[axis] ? 1 : 0)));
      weight = f(weight + own);
    }
  }
  return weight > 0 ? Math.min(Math.max(f(sum / weight), 0), 1) : UNKNOWN;
}

function jaccard(a: Candidate["topics"], b: Candidate["topics"]): number {
  const mass = (topics: Candidate["topics"]): number => topics.reduce((sum, { weight }) => f(sum + f(weight)), 0);
  let shared = 0;
  for (const { topic, weight } of a) {
    const other = b.find((one) => one.topic === topic);
    if (other !== undefined) shared = f(shared + Math.min(f(weight), f(other.weight)));
  }
  return f(shared / f(f(mass(a) + mass(b)) - shared));
}

/** The place of the first rule that the candidate would break next; how many there are, when it breaks none. */
function firstBroken(rules: readonly LocalConstraint[], placed: readonly Candidate[], candidate: Candidate): number {
  const at = rules.findIndex((rule) => breaks(rule, placed, candidate));
  return at < 0 ? rules.length : at;
}

function breaks(rule: LocalConstraint, placed: readonly Candidate[], candidate: Candidate): boolean {
  const position = placed.length;
  const of = (item: Candidate): string | undefined => valueOf(item, rule.facet);
  const value = of(candidate);
  if (rule.kind === "pin") return position === rule.position && value !== rule.value;
  if (rule.top !== undefined && position >= rule.top) return false;
  const per = rule.per ?? 0;
  // Of the block that the position is in, and what is left of it after this item.
  const block = placed.slice(position - (per > 0 ? position % per : 0));
  const left = per - block.length - 1;
  const isWhole = rule.top === undefined || position - block.length + per <= rule.top;
  switch (rule.kind) {
    case "max_share": {
      if (value === undefined || (rule.value !== undefined && value !== rule.value)) return false;
      return placed.slice(Math.max(0, position - per + 1)).filter((item) => of(item) === value).length >= (rule.max ?? per);
    }
    case "min_gap":
      return value !== undefined && placed.slice(Math.max(0, position - (rule.gap ?? 0))).some((item) => of(item) === value);
    case "min_share": {
      const have = block.filter((item) => of(item) === rule.value).length + (value === rule.value ? 1 : 0);
      return isWhole && have + left < (rule.min ?? 0) && value !== rule.value;
    }
    case "min_distinct": {
      const have = new Set(block.map(of).filter((one) => one !== undefined));
      const isNew = value !== undefined && !have.has(value);
      return isWhole && !isNew && have.size + left < (rule.min ?? 0);
    }
    default:
      return false;
  }
}

/** The one value an item counts under: of topics the heaviest, the first of equal ones. */
function valueOf(item: Candidate, facet: string): string | undefined {
  if (facet !== "topic") return item[facet as "creator" | "source" | "viewpoint" | "language" | "format"];
  let heaviest: { topic: string; weight: number } | undefined;
  for (const topic of item.topics) if (heaviest === undefined || topic.weight > heaviest.weight) heaviest = topic;
  return heaviest?.topic;
}
