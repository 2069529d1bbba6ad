// SPDX-License-Identifier: GPL-2.0-only
// The references that a folder's versions use.

import type { Reference, StoredObject } from "../s3/own";

export interface UsedReference extends Reference {
  /** Versions that can't be read without it. */
  users: number;
}

/** Each reference once, the one with most users first, then the oldest (ids are in the order of time). */
export function usedReferences(objects: readonly Pick<StoredObject, "references">[]): UsedReference[] {
  const found = new Map<string, UsedReference>();
  for (const { references } of objects) {
    for (const reference of references ?? []) {
      const known = found.get(reference.id);
      if (known === undefined) found.set(reference.id, { ...reference, users: 1 });
      else known.users += 1;
    }
  }
  return [...found.values()].sort((a, b) => b.users - a.users || (a.id < b.id ? -1 : 1));
}
