// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { failed, hits, moment, operations } from "./health";
import type { Numbers } from "./numbers";

function numbers(gets: number, failures: number): Numbers {
  const series = (operation: string, status: string, count: number) => ({
    labels: { operation, status },
    values: [count],
  });
  return {
    deltaglider_requests_total: {
      kind: "counter",
      series: [series("GetObject", "200", gets), series("PutObject", "500", failures), series("Status", "200", 99)],
    },
    deltaglider_request_duration_seconds: {
      kind: "histogram",
      bounds: [0.1, 1],
      series: [
        { labels: { operation: "GetObject", status: "2xx" }, values: [gets, 0, 0, 1] },
        { labels: { operation: "PutObject", status: "5xx" }, values: [0, failures, 0, 1] },
        { labels: { operation: "Status", status: "2xx" }, values: [0, 0, 99, 1] },
      ],
    },
    deltaglider_sent_bytes_total: {
      kind: "counter",
      series: [{ labels: { operation: "GetObject" }, values: [gets * 1000] }],
    },
    cache: {
      kind: "counter",
      series: [
        { labels: { result: "hit" }, values: [3] },
        { labels: { result: "miss" }, values: [1] },
      ],
    },
  };
}

test("what happened between two looks, without what this page asked for itself", () => {
  const now = moment({ at: 10, numbers: numbers(100, 0) }, { at: 12, numbers: numbers(118, 2) });
  expect(now).toMatchObject({ requests: 10, failures: 1, sent: 9000, received: 0 });
  expect(now!.half).toBeLessThan(0.1);
  expect(now!.most).toBeGreaterThan(0.1);
  expect(now!.most).toBeLessThan(1);
});

test("a restart is no moment", () => {
  expect(moment({ at: 10, numbers: numbers(100, 0) }, { at: 12, numbers: numbers(3, 0) })).toBeNull();
  expect(moment({ at: 10, numbers: numbers(1, 0) }, { at: 10, numbers: numbers(1, 0) })).toBeNull();
});

test("operations since the start", () => {
  expect(operations(numbers(100, 2))).toMatchObject([
    { operation: "GetObject", count: 100, failed: 0 },
    { operation: "PutObject", count: 2, failed: 2 },
  ]);
  expect(failed(numbers(5, 2))).toBe(2);
});

test("share of hits", () => {
  expect(hits(numbers(1, 1), "cache")).toBe(0.75);
  expect(hits(numbers(1, 1), "other")).toBeNull();
});
