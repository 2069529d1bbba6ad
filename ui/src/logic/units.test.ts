// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { formatLatency, formatRate } from "./units";

test.each([
  [0.0004, "0.4 ms"],
  [0.0381, "38 ms"],
  [1.23, "1.2 s"],
  [61, "61 s"],
])("%f seconds are %s", (seconds, text) => {
  expect(formatLatency(seconds)).toBe(text);
});

test.each([
  [0, "0"],
  [0.251, "0.25"],
  [12.44, "12.4"],
  [1203.4, "1,203"],
])("a rate of %f is %s", (rate, text) => {
  expect(formatRate(rate)).toBe(text);
});
