// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { visibleRows } from "./visible";

test("a short list is drawn whole", () => {
  expect(visibleRows(5, 40, 100, 800)).toEqual({ first: 0, end: 5 });
});

test("of a long list only what is near the window", () => {
  const { first, end } = visibleRows(100_000, 40, -2_000_000, 800);
  expect(first).toBe(50_000 - 12);
  expect(end).toBe(50_020 + 12);
});

test("nothing outside of the list, wherever it is scrolled to", () => {
  expect(visibleRows(100, 40, 5000, 800)).toEqual({ first: 0, end: 0 });
  expect(visibleRows(100, 40, -50_000, 800)).toEqual({ first: 100, end: 100 });
  expect(visibleRows(0, 40, 0, 800)).toEqual({ first: 0, end: 0 });
});
