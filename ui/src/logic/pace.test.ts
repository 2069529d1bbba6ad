// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { pace, type Sample, sampled } from "./pace";

test("the pace is that of the last seconds", () => {
  let samples: readonly Sample[] = [];
  for (let second = 0; second <= 20; second++)
    samples = sampled(samples, second * 1000, second < 10 ? 0 : (second - 10) * 500);
  expect(pace(samples)).toBe(500);
});

test("one look says nothing", () => {
  expect(pace([])).toBeNull();
  expect(pace(sampled([], 0, 5))).toBeNull();
});

test("a total that went back begins anew", () => {
  const samples = sampled(sampled(sampled([], 0, 100), 1000, 200), 2000, 50);
  expect(samples).toEqual([{ at: 2000, total: 50 }]);
});
