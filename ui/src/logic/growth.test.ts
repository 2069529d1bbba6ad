// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { growth } from "./growth";

test("what was stored by when, added up", () => {
  const objects = [
    { size: 100, stored: 100, modified: 1000 },
    { size: 100, stored: 5, modified: 2000 },
    { size: 50, stored: 1, modified: 1999 },
  ];
  expect(growth(objects, 3000, 2)).toEqual([
    { at: 1000, logical: 100, stored: 100 },
    { at: 2000, logical: 250, stored: 106 },
    { at: 3000, logical: 250, stored: 106 },
  ]);
});

test("nothing, and everything at once", () => {
  expect(growth([], 5, 10)).toEqual([]);
  const points = growth([{ size: 7, stored: 7, modified: 5 }], 5, 4);
  expect(points.map(({ logical }) => logical)).toEqual([7, 7, 7, 7, 7]);
});
