// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useMemo, useRef, useState } from "react";

/** The rows somebody has ticked, by what they are (keys, and prefixes with their "/"), not by where they stand. */
export interface Selection {
  count: number;
  has: (index: number) => boolean;
  /** Ticks or clears a row; with `range` all rows from the last one touched, as this one becomes. */
  toggle: (index: number, range: boolean) => void;
  toggleAll: () => void;
  clear: () => void;
  /** Those that are ticked and still there, in the order of the rows. */
  chosen: () => string[];
}

/** `names` are all rows in their order. */
export function useSelection(names: readonly string[]): Selection {
  const [ticked, setTicked] = useState<ReadonlySet<string>>(new Set());
  const last = useRef(0);
  const latest = useRef(names);
  latest.current = names;

  const toggle = useCallback((index: number, range: boolean) => {
    const from = range ? last.current : index;
    last.current = index;
    setTicked((before) => {
      const after = new Set(before);
      const becomes = !before.has(latest.current[index]!);
      for (let at = Math.min(from, index); at <= Math.max(from, index); at++) {
        const name = latest.current[at];
        if (name === undefined) continue;
        if (becomes) after.add(name);
        else after.delete(name);
      }
      return after;
    });
  }, []);

  const chosen = useMemo(() => (ticked.size === 0 ? [] : names.filter((name) => ticked.has(name))), [names, ticked]);

  return {
    count: chosen.length,
    has: (index) => ticked.has(names[index]!),
    toggle,
    toggleAll: () => setTicked(chosen.length === names.length ? new Set() : new Set(names)),
    clear: () => setTicked(new Set()),
    chosen: () => chosen,
  };
}
