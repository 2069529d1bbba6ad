// SPDX-License-Identifier: GPL-2.0-only
// What is in a folder: folders inside it and objects, both in the order of their names.

import type { StoredObject } from "../s3/own";
import { savings } from "./savings";

export interface Folder {
  /** Common prefixes, each with its "/". */
  folders: readonly string[];
  objects: readonly StoredObject[];
}

export const EMPTY: Folder = { folders: [], objects: [] };

/** A folder with its next page. */
export function joined(known: Folder, page: { prefixes: string[]; objects: StoredObject[] }): Folder {
  return { folders: [...known.folders, ...page.prefixes], objects: [...known.objects, ...page.objects] };
}

/** A folder once an object was stored: in it, in a folder inside it, or in the place of an older one. */
export function added(known: Folder, prefix: string, object: StoredObject): Folder {
  const slash = object.key.indexOf("/", prefix.length);
  if (slash >= 0) {
    const inner = object.key.slice(0, slash + 1);
    return known.folders.includes(inner) ? known : { ...known, folders: [...known.folders, inner].sort() };
  }
  const at = place(known.objects, object.key);
  const replaced = known.objects[at]?.key === object.key ? 1 : 0;
  return { ...known, objects: known.objects.toSpliced(at, replaced, object) };
}

/** A folder without what was deleted. */
export function without(known: Folder, gone: ReadonlySet<string>): Folder {
  return {
    folders: known.folders.filter((one) => !gone.has(one)),
    objects: known.objects.filter(({ key }) => !gone.has(key)),
  };
}

/** Where a key is in a list in the order of keys, or where it would be. */
function place(objects: readonly StoredObject[], key: string): number {
  let low = 0;
  let high = objects.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (objects[middle]!.key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Totals {
  size: number;
  stored: number;
  saved: number | null;
}

export function totals(objects: readonly StoredObject[]): Totals {
  let size = 0;
  let stored = 0;
  for (const one of objects) {
    size += one.size;
    stored += one.stored;
  }
  return { size, stored, saved: savings(size, stored) };
}
