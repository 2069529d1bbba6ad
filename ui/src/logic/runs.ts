// SPDX-License-Identifier: GPL-2.0-only
// What the Health page says of gc, verify and optimize.

import type { Run } from "../s3/own";
import { formatBytes, formatCount, formatDuration } from "./format";

/** A command as it was typed: "verify --data releases/app/". */
export function typed({ command, options, bucket, prefix }: Run): string {
  return [command, options, prefix === "" ? bucket : `${bucket}/${prefix}`].filter(Boolean).join(" ");
}

/** How much is done, from 0 to 1; null when nobody knows how much there is. */
export function share({ done, total }: Run): number | null {
  return total === null || total === 0 ? null : Math.min(done / total, 1);
}

/** "1,200 of 4,000 objects, 2 min so far, about 5 min left", at a time in milliseconds. */
export function progress(run: Run, now: number): string {
  const amount = run.unit === "bytes" ? formatBytes : (count: number) => formatCount(count, "object", "objects");
  const of = run.total === null ? "" : ` of ${amount(run.total)}`;
  const done = run.unit === "bytes" || run.total === null ? amount(run.done) : run.done.toLocaleString("en");
  const gone = Math.max(0, now - run.began) / 1000;
  const part = share(run);
  const left = part === null || part === 0 || gone < 5 ? "" : `, about ${rough((gone * (1 - part)) / part)} left`;
  return `${done}${of}, ${rough(gone)} so far${left}`;
}

/** How a run ended, and how long ago, at a time in milliseconds. */
export function ending(run: Run, now: number): { when: string; what: string; wrong: boolean } {
  const ago = (now - run.updated) / 1000;
  return {
    when: ago < 60 ? "just now" : `${rough(ago)} ago`,
    what: run.state === "ended" ? run.result : (ENDS[run.state] ?? run.state) + (run.result && `: ${run.result}`),
    wrong: run.state === "failed" || run.state === "died" || /damaged|could not be/.test(run.result),
  };
}

const ENDS: Partial<Record<Run["state"], string>> = {
  failed: "failed",
  stopped: "stopped before the end",
  died: "its process ended without a word",
};

/** The runs under way, the oldest first, and those that are over, the latest first. */
export function sorted(runs: readonly Run[]): { running: Run[]; over: Run[] } {
  return {
    running: runs.filter(({ state }) => state === "running").toSorted((a, b) => a.began - b.began),
    over: runs.filter(({ state }) => state !== "running").toSorted((a, b) => b.updated - a.updated),
  };
}

/** A duration by its largest part: "3 h", "2 days". */
function rough(seconds: number): string {
  if (seconds < 60) return formatDuration(seconds);
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}
