// SPDX-License-Identifier: GPL-2.0-only
// What the Health page shows, from two looks at the server's numbers.

import { buckets, by, type Numbers, quantile, since, total } from "./numbers";

const REQUESTS = "deltaglider_requests_total";
const DURATIONS = "deltaglider_request_duration_seconds";

/** A look at the numbers, at a time in seconds. */
export interface Look {
  at: number;
  numbers: Numbers;
}

export interface Moment {
  at: number;
  /** Requests, failures and bytes a second since the look before. */
  requests: number;
  failures: number;
  received: number;
  sent: number;
  /** Seconds; null when nothing was answered. */
  half: number | null;
  most: number | null;
}

/** What happened between two looks; null when the server was restarted, or no time went by. */
export function moment(before: Look, now: Look): Moment | null {
  const seconds = now.at - before.at;
  if (seconds <= 0) return null;
  const asked = served(now.numbers) - served(before.numbers);
  if (asked < 0) return null;
  const rate = (name: string) => Math.max(0, others(now.numbers, name) - others(before.numbers, name)) / seconds;
  const bounds = now.numbers[DURATIONS]?.bounds ?? [];
  const counts = since(answered(now.numbers), answered(before.numbers));
  return {
    at: now.at,
    requests: asked / seconds,
    failures: Math.max(0, failed(now.numbers) - failed(before.numbers)) / seconds,
    received: rate("deltaglider_received_bytes_total"),
    sent: rate("deltaglider_sent_bytes_total"),
    half: quantile(0.5, counts, bounds),
    most: quantile(0.99, counts, bounds),
  };
}

/** Requests but those for the server's own pages, which this page makes all the time. */
export function served(numbers: Numbers): number {
  return others(numbers, REQUESTS);
}

function others(numbers: Numbers, name: string): number {
  return total(numbers, name) - total(numbers, name, { operation: "Status" });
}

function answered(numbers: Numbers): number[] {
  return since(buckets(numbers, DURATIONS), buckets(numbers, DURATIONS, { operation: "Status" }));
}

/** Requests that failed for the server's reasons. */
export function failed(numbers: Numbers): number {
  return by(numbers, REQUESTS, "status")
    .filter(([status]) => /^5(?!01)/.test(status) || status === "cut_off")
    .reduce((sum, [, count]) => sum + count, 0);
}

export interface OperationRow {
  operation: string;
  count: number;
  failed: number;
  half: number | null;
  most: number | null;
}

/** Every operation that was asked for since the start, the most frequent first. */
export function operations(numbers: Numbers): OperationRow[] {
  const bounds = numbers[DURATIONS]?.bounds ?? [];
  return by(numbers, REQUESTS, "operation")
    .filter(([operation]) => operation !== "Status")
    .map(([operation, count]) => {
      const counts = buckets(numbers, DURATIONS, { operation });
      const refused = buckets(numbers, DURATIONS, { operation, status: "5xx" }).slice(0, -1);
      return {
        operation,
        count,
        failed: refused.reduce((sum, one) => sum + one, 0),
        half: quantile(0.5, counts, bounds),
        most: quantile(0.99, counts, bounds),
      };
    });
}

/** The share of hits of a cache; null when it was never asked. */
export function hits(numbers: Numbers, name: string): number | null {
  const all = total(numbers, name);
  return all === 0 ? null : total(numbers, name, { result: "hit" }) / all;
}
