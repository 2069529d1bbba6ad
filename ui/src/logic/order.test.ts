// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { BY_NAME, type Orderable, ordered, pressed } from "./order";

const OBJECTS: Orderable[] = [
  { key: "a", size: 100, stored: 100, modified: 3 },
  { key: "b", size: 300, stored: 3, modified: 1 },
  { key: "c", size: 0, stored: 0, modified: 2 },
];

function keys(column: Parameters<typeof pressed>[1], descending: boolean): string {
  return ordered(OBJECTS, { column, descending })
    .map(({ key }) => key)
    .join("");
}

test("each column in both directions", () => {
  expect(keys("name", false)).toBe("abc");
  expect(keys("name", true)).toBe("cba");
  expect(keys("size", true)).toBe("bac");
  expect(keys("stored", false)).toBe("cba");
  expect(keys("saved", true)).toBe("bac");
  expect(keys("modified", false)).toBe("bca");
});

test("a press begins with the largest, the next turns round", () => {
  const once = pressed(BY_NAME, "size");
  expect(once).toEqual({ column: "size", descending: true });
  expect(pressed(once, "size")).toEqual({ column: "size", descending: false });
  expect(pressed(BY_NAME, "name").descending).toBe(true);
});
