// SPDX-License-Identifier: GPL-2.0-only
// How what is stored now came together over time.

export interface Stored {
  size: number;
  stored: number;
  /** Milliseconds since the epoch. */
  modified: number;
}

/** At a time, the bytes of all objects stored by then, and what they take. */
export interface Point {
  at: number;
  logical: number;
  stored: number;
}

/** The growth in `steps` equal stretches of time, from the first object to `until`; empty without objects. */
export function growth(objects: readonly Stored[], until: number, steps: number): Point[] {
  if (objects.length === 0) return [];
  const first = objects.reduce((least, { modified }) => Math.min(least, modified), until);
  const length = Math.max(1, until - first) / steps;
  const points = Array.from({ length: steps + 1 }, (_, i) => ({ at: first + i * length, logical: 0, stored: 0 }));
  for (const { size, stored, modified } of objects) {
    const step = Math.min(steps, Math.max(0, Math.ceil((modified - first) / length)));
    points[step]!.logical += size;
    points[step]!.stored += stored;
  }
  for (let i = 1; i <= steps; i++) {
    points[i]!.logical += points[i - 1]!.logical;
    points[i]!.stored += points[i - 1]!.stored;
  }
  return points;
}
