// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { BUCKETS, folder, formatRoute, parseRoute } from "./route";

const prefixes = ["", "a/", "a/b/", "a//b/", "/", "../", "ü %2F?#&+/", "?/", "#/"];
const names = [null, "", "x.zip", "x?y#z", "%", " "];

test.each(prefixes.flatMap((p) => names.map((n) => [p, n] as const)))(
  "prefix %j, object %j survive the URL",
  (p, n) => {
    const route = folder("my-bucket", p, n === null ? null : p + n);
    expect(parseRoute(formatRoute(route))).toEqual(route);
    expect(parseRoute(new URL(`http://h/${formatRoute(route)}`).hash)).toEqual(route);
  },
);

test("the bucket list", () => {
  expect(formatRoute(BUCKETS)).toBe("#/");
  expect(parseRoute("#/")).toEqual(BUCKETS);
  expect(parseRoute("")).toEqual(BUCKETS);
});

test("typed addresses are read kindly", () => {
  expect(parseRoute("#/b")).toEqual(folder("b", ""));
  expect(parseRoute("#/b/a")).toEqual(folder("b", "a/"));
});

test.each(["#/%", "#/b/%zz/", "#/b/?%", "#b", "#//"])("%j is no address", (hash) => {
  expect(parseRoute(hash)).toEqual(BUCKETS);
});
