/** Relevance on the device: the server's own sum, with what only the device knows of the reader in it. Numbers are of 32 bits, as there. */
import type { Taste } from "./profile.js";
import type { Candidate } from "./rerank.js";

const f = Math.fround;
/** In the order the server sums them. */
const FEATURES = ["interest", "topic", "creator", "follow", "recency", "popularity", "relevance", "less_like", "repetition", "uncertainty", "prior"] as const;
const SUBTRACTED: readonly string[] = ["less_like", "repetition"];

export interface Scored {
  candidate: Candidate;
  /** The weighted sum, before it is normalised. */
  raw: number;
  /** 0 to 1. */
  relevance: number;
  /** What each feature added; those that added nothing are left out. */
  contributions: Readonly<Record<string, number>>;
}

/**
 * Best first; ties go to the lower id. `weights` and `normalize` are the answer's. As with the server, only what a candidate can have
 * weighs: the weight of `interest` too, which the device leaves at 0.
 */
export function score(candidates: readonly Candidate[], taste: Taste, weights: Readonly<Record<string, number>>, normalize: string): Scored[] {
  const has = (feature: string): boolean => candidates.some((candidate) => (candidate.signals?.[feature] ?? 0) !== 0);
  const shares = sharesOf(weights, has("relevance"), has("uncertainty"));
  const scored = candidates.map((candidate) => {
    const values: Record<string, number> = { ...candidate.signals, ...felt(candidate, taste) };
    const contributions: Record<string, number> = {};
    let raw = 0;
    for (const feature of FEATURES) {
      const added = f((shares[feature] ?? 0) * f(values[feature] ?? 0));
      if (added !== 0) contributions[feature] = added;
      raw = f(raw + added);
    }
    return { candidate, raw, relevance: 0, contributions };
  });
  return normalised(scored, normalize);
}

function sharesOf(weights: Readonly<Record<string, number>>, hasRelevance: boolean, hasUncertainty: boolean): Record<string, number> {
  const w = (name: string): number => f(weights[name] ?? 0);
  let sum = f(w("recency") + w("popularity"));
  if (hasRelevance) sum = f(sum + w("relevance"));
  if (hasUncertainty) sum = f(sum + w("uncertainty"));
  sum = f(sum + f(f(w("interest") + w("creator")) + w("follow")));
  sum = f(sum + w("topic"));
  const divisor = sum > 0 ? sum : f(1.1754943508222875e-38);
  const weight = (feature: string): number => (feature === "prior" ? w("topic") : SUBTRACTED.includes(feature) ? -w(feature) : w(feature));
  return Object.fromEntries(FEATURES.map((feature) => [feature, f(weight(feature) / divisor)]));
}

/** What the reader makes of the item, each 0 to 1. */
function felt(candidate: Candidate, taste: Taste): Record<string, number> {
  let liked = 0;
  let mass = 0;
  let dislike = 0;
  const creator = candidate.creator;
  if (creator !== undefined) dislike = f(taste.dislikes.get(`creator:${creator}`) ?? 0);
  if (candidate.source !== undefined) dislike = Math.max(dislike, f(taste.dislikes.get(`source:${candidate.source}`) ?? 0));
  for (const { topic, weight } of candidate.topics) {
    liked = f(liked + f(f(taste.topics.get(topic) ?? 0) * f(weight)));
    mass = f(mass + f(weight));
    dislike = Math.max(dislike, f(f(taste.dislikes.get(`topic:${topic}`) ?? 0) * f(weight)));
  }
  return {
    topic: mass > 0 ? f(liked / mass) : 0,
    creator: creator === undefined ? 0 : f(taste.creators.get(creator) ?? 0),
    follow: creator !== undefined && taste.follows.has(creator) ? 1 : 0,
    less_like: dislike,
  };
}

/** Sets each relevance from its raw score and sorts. Equal raw scores get equal relevance. */
function normalised(scored: Scored[], rule: string): Scored[] {
  scored.sort((a, b) => b.raw - a.raw || compareIds(a.candidate.id, b.candidate.id));
  const high = scored[0]?.raw ?? 0;
  const low = scored[scored.length - 1]?.raw ?? 0;
  const last = scored.length - 1;
  for (let from = 0; from < scored.length; ) {
    const raw = scored[from]?.raw ?? 0;
    let to = from + 1;
    while (to < scored.length && scored[to]?.raw === raw) to += 1;
    let relevance: number;
    if (rule === "none") relevance = Math.min(Math.max(raw, 0), 1);
    else if (high <= low) relevance = 1;
    else if (rule === "minmax") relevance = f(f(raw - low) / f(high - low));
    // By rank: the best is 1, the worst 0, evenly spaced; ties share their mean rank.
    else relevance = f(f(f(2 * last - (from + to - 1)) / 2) / f(last));
    for (const one of scored.slice(from, to)) one.relevance = relevance;
    from = to;
  }
  return scored.sort((a, b) => b.relevance - a.relevance || compareIds(a.candidate.id, b.candidate.id));
}

/** By code point, as the server compares bytes of UTF-8; JavaScript's own order is by UTF-16 unit. */
export function compareIds(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const difference = (left[at]?.codePointAt(0) ?? 0) - (right[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
