// SPDX-License-Identifier: GPL-2.0-only

/** Seconds as a latency: "0.4 ms", "38 ms", "1.2 s". */
export function formatLatency(seconds: number): string {
  const milliseconds = seconds * 1000;
  if (milliseconds >= 1000) return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
  return `${Number(milliseconds.toFixed(milliseconds < 10 ? 1 : 0))} ms`;
}

/** A rate: "0", "0.25", "12.4", "1,203". */
export function formatRate(rate: number): string {
  if (rate >= 100) return Math.round(rate).toLocaleString("en");
  return String(Number(rate.toFixed(rate < 10 ? 2 : 1)));
}
