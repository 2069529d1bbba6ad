// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { buckets, by, type Numbers, quantile, since, total } from "./numbers";

const NUMBERS: Numbers = {
  requests: {
    kind: "counter",
    series: [
      { labels: { operation: "GetObject", status: "200" }, values: [7] },
      { labels: { operation: "GetObject", status: "404" }, values: [2] },
      { labels: { operation: "PutObject", status: "200" }, values: [30] },
    ],
  },
  seconds: {
    kind: "histogram",
    bounds: [0.1, 1],
    series: [
      { labels: { operation: "GetObject" }, values: [4, 2, 0, 1.5] },
      { labels: { operation: "PutObject" }, values: [0, 1, 1, 9] },
    ],
  },
};

test("totals by labels", () => {
  expect(total(NUMBERS, "requests")).toBe(39);
  expect(total(NUMBERS, "requests", { operation: "GetObject" })).toBe(9);
  expect(total(NUMBERS, "nothing")).toBe(0);
  expect(by(NUMBERS, "requests", "operation")).toEqual([
    ["PutObject", 30],
    ["GetObject", 9],
  ]);
});

test("histograms add up, and differences between two looks", () => {
  expect(buckets(NUMBERS, "seconds")).toEqual([4, 3, 1, 10.5]);
  expect(since([4, 3, 1, 10.5], [1, 3, 0, 0.5])).toEqual([3, 0, 1, 10]);
});

test("quantiles as Prometheus has them", () => {
  expect(quantile(0.5, [4, 2, 0, 1.5], [0.1, 1])).toBeCloseTo(0.075);
  expect(quantile(0.99, [0, 0, 5, 50], [0.1, 1])).toBe(1);
  expect(quantile(0.5, [0, 0, 0, 0], [0.1, 1])).toBeNull();
});
