// SPDX-License-Identifier: GPL-2.0-only
// In which order the objects of a folder are shown.

export type Column = "name" | "size" | "stored" | "saved" | "modified";

export interface Order {
  column: Column;
  descending: boolean;
}

export const BY_NAME: Order = { column: "name", descending: false };

/** What can be ordered. */
export interface Orderable {
  key: string;
  size: number;
  stored: number;
  /** Milliseconds since the epoch. */
  modified: number;
}

/** The order after a column head was pressed: numbers begin with the largest, a second press turns it round. */
export function pressed(order: Order, column: Column): Order {
  if (order.column === column) return { column, descending: !order.descending };
  return { column, descending: column !== "name" };
}

const NUMBER: Record<Exclude<Column, "name">, (one: Orderable) => number> = {
  size: ({ size }) => size,
  stored: ({ stored }) => stored,
  saved: ({ size, stored }) => (size === 0 ? 0 : 1 - stored / size),
  modified: ({ modified }) => modified,
};

/** The objects, which come in the order of their names, in another one; equals stay as they came. */
export function ordered<T extends Orderable>(objects: readonly T[], { column, descending }: Order): readonly T[] {
  if (column === "name") return descending ? objects.toReversed() : objects;
  const value = NUMBER[column];
  const sign = descending ? -1 : 1;
  return objects.toSorted((a, b) => sign * (value(a) - value(b)));
}
