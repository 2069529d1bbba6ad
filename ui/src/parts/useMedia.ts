// SPDX-License-Identifier: GPL-2.0-only
import { useSyncExternalStore } from "react";

/** Where the page takes its narrow form; the style sheets say the same. */
export const NARROW = "(max-width: 52rem)";

/** Whether a media query holds, as long as it does. */
export function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (listener) => {
      const list = window.matchMedia(query);
      list.addEventListener("change", listener);
      return () => list.removeEventListener("change", listener);
    },
    () => window.matchMedia(query).matches,
  );
}
