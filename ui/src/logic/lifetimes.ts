// SPDX-License-Identifier: GPL-2.0-only

/** How long a link can live, in seconds; seven days is the most that Signature Version 4 allows. */
export const LIFETIMES = [
  { seconds: 15 * 60, text: "15 minutes" },
  { seconds: 3600, text: "1 hour" },
  { seconds: 24 * 3600, text: "1 day" },
  { seconds: 7 * 24 * 3600, text: "7 days" },
] as const;
