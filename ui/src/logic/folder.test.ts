// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import type { StoredObject } from "../s3/own";
import { added, EMPTY, joined, totals, without } from "./folder";

function object(key: string, size = 10, stored = 1): StoredObject {
  return { key, size, stored, storage: "delta", etag: "e", modified: 0 };
}

const FOLDER = joined(joined(EMPTY, { prefixes: ["p/b/"], objects: [object("p/1")] }), {
  prefixes: ["p/d/"],
  objects: [object("p/3")],
});

test("pages are joined", () => {
  expect(FOLDER.folders).toEqual(["p/b/", "p/d/"]);
  expect(FOLDER.objects.map(({ key }) => key)).toEqual(["p/1", "p/3"]);
});

test("what was stored takes its place", () => {
  expect(added(FOLDER, "p/", object("p/2")).objects.map(({ key }) => key)).toEqual(["p/1", "p/2", "p/3"]);
  const replaced = added(FOLDER, "p/", object("p/3", 99));
  expect(replaced.objects.map(({ size }) => size)).toEqual([10, 99]);
  expect(added(FOLDER, "p/", object("p/c/x")).folders).toEqual(["p/b/", "p/c/", "p/d/"]);
  expect(added(FOLDER, "p/", object("p/d/x"))).toBe(FOLDER);
});

test("what was deleted goes", () => {
  expect(without(FOLDER, new Set(["p/b/", "p/3"]))).toMatchObject({ folders: ["p/d/"], objects: [{ key: "p/1" }] });
});

test("totals", () => {
  expect(totals(FOLDER.objects)).toEqual({ size: 20, stored: 2, saved: 0.9 });
  expect(totals([]).saved).toBeNull();
});
