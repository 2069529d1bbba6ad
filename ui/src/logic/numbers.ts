// SPDX-License-Identifier: GPL-2.0-only
// The numbers of /_/stats: families of counters, gauges and histograms, and what follows from two looks at them.

export interface Series {
  labels: Record<string, string>;
  /** One number; of a histogram its buckets' own counts, then the sum. */
  values: number[];
}

export interface Family {
  kind: "counter" | "gauge" | "histogram";
  bounds?: number[];
  series: Series[];
}

export type Numbers = Record<string, Family>;

/** The sum of a family's series that have these labels. */
export function total(numbers: Numbers, name: string, labels: Record<string, string> = {}): number {
  return matching(numbers[name], labels).reduce((sum, { values }) => sum + values[0]!, 0);
}

/** The buckets' counts of a histogram, summed over its series that have these labels, and the sum of all values. */
export function buckets(numbers: Numbers, name: string, labels: Record<string, string> = {}): number[] {
  const family = numbers[name];
  const counts = new Array<number>((family?.bounds?.length ?? 0) + 2).fill(0);
  for (const { values } of matching(family, labels)) {
    values.forEach((value, i) => {
      counts[i] = (counts[i] ?? 0) + value;
    });
  }
  return counts;
}

/** What came since an earlier look: each bucket's difference. */
export function since(now: readonly number[], before: readonly number[]): number[] {
  return now.map((value, i) => value - (before[i] ?? 0));
}

/**
 * The value below which a share of what was counted lies: inside its bucket as if spread evenly, as Prometheus does.
 * Null when nothing was counted.
 */
export function quantile(share: number, counts: readonly number[], bounds: readonly number[]): number | null {
  const all = counts.slice(0, bounds.length + 1).reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let rest = share * all;
  for (let i = 0; i < bounds.length; i++) {
    const count = counts[i] ?? 0;
    if (rest <= count) {
      const low = i === 0 ? 0 : bounds[i - 1]!;
      return low + (bounds[i]! - low) * (count === 0 ? 1 : rest / count);
    }
    rest -= count;
  }
  return bounds.at(-1)!;
}

/** The values of one label that a family has, with the sum for each, the largest first. */
export function by(numbers: Numbers, name: string, label: string): [string, number][] {
  const sums = new Map<string, number>();
  for (const { labels, values } of numbers[name]?.series ?? []) {
    const value = labels[label] ?? "";
    sums.set(value, (sums.get(value) ?? 0) + values[0]!);
  }
  return [...sums].sort((a, b) => b[1] - a[1]);
}

function matching(family: Family | undefined, wanted: Record<string, string>): Series[] {
  return (family?.series ?? []).filter(({ labels }) =>
    Object.entries(wanted).every(([name, value]) => labels[name] === value),
  );
}
