// SPDX-License-Identifier: GPL-2.0-only

/** How an object is stored; the words are the server's own. */
export function StorageBadge({ type }: { type: "delta" | "direct" }) {
  return (
    <span data-badge className={`badge ${type}`}>
      {type}
    </span>
  );
}
