// SPDX-License-Identifier: GPL-2.0-only

/** What share of `logical` bytes is not stored, from below zero (more is stored) to 1; null where there is nothing. */
export function savings(logical: number, stored: number): number | null {
  return logical === 0 ? null : 1 - stored / logical;
}

/** "98.7 %", "< 0.1 %", "0 %": one digit after the point, and never "100 %" for what takes any space. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (percent === 0) return "0 %";
  if (percent > 0 && percent < 0.1) return "< 0.1 %";
  if (percent < 100 && percent > 99.9) return "> 99.9 %";
  return `${Number(percent.toFixed(1))} %`;
}

/** Why a folder's objects save nothing, and what would help; null where they do. */
export function hint(
  objects: readonly { key: string; size: number; storage: string; references: number }[],
  suffixes: readonly string[],
): string | null {
  if (objects.length === 0 || objects.some(({ storage }) => storage === "delta")) return null;
  const eligible = objects.filter(({ key }) => isEligible(key, suffixes));
  if (eligible.length === 0) {
    const example = suffixes.slice(0, 3).join(", ");
    return `Nothing here has a suffix that is stored as deltas (${example} …). The setting delta_suffixes adds others.`;
  }
  if (eligible.length === 1) return "One version is here so far. From the second on, only what changed is stored.";
  return "These versions have too little in common to gain from deltas. Archives that are compressed anew each time look all different; store them uncompressed, or compress them with a reproducible tool.";
}

/** Whether the server would store a key as a delta. */
export function isEligible(key: string, suffixes: readonly string[]): boolean {
  const lower = key.toLowerCase();
  return suffixes.some((suffix) => suffix === "*" || lower.endsWith(suffix));
}
