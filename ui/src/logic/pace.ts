// SPDX-License-Identifier: GPL-2.0-only
// How fast bytes go: from samples of a running total, over the last few seconds, so that a pause does not count for
// ever and a burst does not either.

/** Milliseconds that count. */
const WINDOW = 8000;

export interface Sample {
  at: number;
  total: number;
}

/** The samples with a new one; a total that went back (a retry, a pause) begins anew. */
export function sampled(samples: readonly Sample[], at: number, total: number): readonly Sample[] {
  const last = samples.at(-1);
  if (last !== undefined && total < last.total) return [{ at, total }];
  return [...samples.filter((one) => one.at > at - WINDOW), { at, total }];
}

/** Bytes a second; null when there is too little to tell. */
export function pace(samples: readonly Sample[]): number | null {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || last.at - first.at < 500) return null;
  return ((last.total - first.total) * 1000) / (last.at - first.at);
}
