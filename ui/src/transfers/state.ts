// SPDX-License-Identifier: GPL-2.0-only
// What is known about uploads, and how each event changes it. Pure: who uploads is queue.ts.

export interface Transfer {
  id: number;
  bucket: string;
  key: string;
  size: number;
  sent: number;
  status: "waiting" | "running" | "done" | "failed" | "cancelled";
  /** When it began to run, and how long it took, in milliseconds. */
  began: number | null;
  took: number | null;
  /** Why it failed, in a sentence. */
  problem: string | null;
}

export type TransferEvent =
  | { event: "added"; transfers: Transfer[] }
  | { event: "began"; id: number; at: number }
  | { event: "progress"; id: number; sent: number }
  | { event: "done"; id: number; at: number }
  | { event: "failed"; id: number; problem: string }
  | { event: "cancelled"; id: number }
  | { event: "retried"; id: number }
  | { event: "cleared" };

export function newTransfer(id: number, bucket: string, key: string, size: number): Transfer {
  return { id, bucket, key, size, sent: 0, status: "waiting", began: null, took: null, problem: null };
}

export function isActive({ status }: Transfer): boolean {
  return status === "waiting" || status === "running";
}

export function reduce(all: readonly Transfer[], event: TransferEvent): readonly Transfer[] {
  switch (event.event) {
    case "added":
      return [...all, ...event.transfers];
    case "cleared":
      return all.filter(isActive);
    default:
      return all.map((one) => (one.id === event.id ? next(one, event) : one));
  }
}

function next(one: Transfer, event: Exclude<TransferEvent, { event: "added" | "cleared" }>): Transfer {
  switch (event.event) {
    case "began":
      return one.status === "waiting" ? { ...one, status: "running", began: event.at, sent: 0 } : one;
    case "progress":
      return one.status === "running" ? { ...one, sent: Math.min(event.sent, one.size) } : one;
    case "done":
      return { ...one, status: "done", sent: one.size, took: event.at - (one.began ?? event.at) };
    case "failed":
      return { ...one, status: "failed", problem: event.problem };
    case "cancelled":
      return isActive(one) ? { ...one, status: "cancelled" } : one;
    case "retried":
      return isActive(one) || one.status === "done" ? one : newTransfer(one.id, one.bucket, one.key, one.size);
  }
}

export interface Summary {
  active: number;
  done: number;
  failed: number;
  sent: number;
  size: number;
}

/** Totals over everything that was not cancelled. */
export function summarize(all: readonly Transfer[]): Summary {
  const counted = all.filter(({ status }) => status !== "cancelled");
  return {
    active: all.filter(isActive).length,
    done: all.filter(({ status }) => status === "done").length,
    failed: all.filter(({ status }) => status === "failed").length,
    sent: counted.reduce((sum, { sent }) => sum + sent, 0),
    size: counted.reduce((sum, { size }) => sum + size, 0),
  };
}
