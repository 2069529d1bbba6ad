// SPDX-License-Identifier: GPL-2.0-only
// What is known about uploads, and how each event changes it. Pure: who uploads is queue.ts.

import { pace, type Sample, sampled } from "../logic/pace";

/**
 * stalled: the server did not answer, and it goes on by itself in a moment. paused: somebody said so. Both, and a
 * failed one, go on from the parts that are stored already; a cancelled one begins anew.
 */
export type Status = "waiting" | "running" | "stalled" | "paused" | "done" | "failed" | "cancelled";

export interface Transfer {
  id: number;
  bucket: string;
  key: string;
  size: number;
  sent: number;
  status: Status;
  /** Of the bytes sent, for the pace. */
  samples: readonly Sample[];
  /** When it first began to run, and how long it took, in milliseconds. */
  began: number | null;
  took: number | null;
  /** Why it failed or stalled, in a sentence. */
  problem: string | null;
}

export type TransferEvent =
  | { event: "added"; transfers: Transfer[] }
  | { event: "began"; id: number; at: number }
  | { event: "progress"; id: number; sent: number; at: number }
  | { event: "done"; id: number; at: number }
  | { event: "stalled"; id: number; problem: string }
  | { event: "failed"; id: number; problem: string }
  | { event: "paused"; id: number }
  | { event: "cancelled"; id: number }
  | { event: "resumed"; id: number }
  | { event: "cleared" };

export function newTransfer(id: number, bucket: string, key: string, size: number): Transfer {
  const nothing = { sent: 0, samples: [], began: null, took: null, problem: null };
  return { id, bucket, key, size, status: "waiting", ...nothing };
}

/** It moves, or will without anybody doing anything. */
export function isActive({ status }: Transfer): boolean {
  return status === "waiting" || status === "running" || status === "stalled";
}

/** It can go on, or begin again. */
export function isResumable({ status }: Transfer): boolean {
  return status === "paused" || status === "failed" || status === "cancelled" || status === "stalled";
}

export function reduce(all: readonly Transfer[], event: TransferEvent): readonly Transfer[] {
  switch (event.event) {
    case "added":
      return [...all, ...event.transfers];
    case "cleared":
      return all.filter((one) => isActive(one) || one.status === "paused");
    default:
      return all.map((one) => (one.id === event.id ? next(one, event) : one));
  }
}

function next(one: Transfer, event: Exclude<TransferEvent, { event: "added" | "cleared" }>): Transfer {
  switch (event.event) {
    case "began":
      if (one.status !== "waiting") return one;
      return { ...one, status: "running", samples: [], began: one.began ?? event.at, problem: null };
    case "progress": {
      if (one.status !== "running") return one;
      const sent = Math.min(event.sent, one.size);
      return { ...one, sent, samples: sampled(one.samples, event.at, sent) };
    }
    case "done":
      return { ...one, status: "done", sent: one.size, took: event.at - (one.began ?? event.at) };
    case "stalled":
    case "failed":
      return { ...one, status: event.event, problem: event.problem };
    case "paused":
      return isActive(one) ? { ...one, status: "paused", problem: null } : one;
    case "cancelled":
      return isActive(one) || one.status === "paused" ? { ...one, status: "cancelled", sent: 0, problem: null } : one;
    case "resumed":
      if (!isResumable(one)) return one;
      if (one.status === "cancelled") return newTransfer(one.id, one.bucket, one.key, one.size);
      return { ...one, status: "waiting", problem: null };
  }
}

export interface Summary {
  active: number;
  paused: number;
  done: number;
  failed: number;
  sent: number;
  size: number;
  /** Bytes a second of all together, null when that can't be told yet. */
  pace: number | null;
}

/** Totals over everything that was not cancelled. */
export function summarize(all: readonly Transfer[]): Summary {
  const counted = all.filter(({ status }) => status !== "cancelled");
  const count = (wanted: Status) => all.filter(({ status }) => status === wanted).length;
  const paces = all.filter(({ status }) => status === "running").map(({ samples }) => pace(samples));
  const known = paces.filter((one) => one !== null);
  return {
    active: all.filter(isActive).length,
    paused: count("paused"),
    done: count("done"),
    failed: count("failed"),
    sent: counted.reduce((sum, { sent }) => sum + sent, 0),
    size: counted.reduce((sum, { size }) => sum + size, 0),
    pace: known.length === 0 ? null : known.reduce((sum, one) => sum + one, 0),
  };
}
