// SPDX-License-Identifier: GPL-2.0-only
import { describe, expect, test } from "vitest";
import { attachment, crumbs, fileName, folderPrefix, nameInside, objectPath, parentPrefix, urlCanName } from "./path";

test("crumbs lead to a prefix, one folder at a time", () => {
  expect(crumbs("")).toEqual([]);
  expect(crumbs("a/b/")).toEqual([
    { name: "a", prefix: "a/" },
    { name: "b", prefix: "a/b/" },
  ]);
});

test("empty folder names are folders too", () => {
  expect(crumbs("a//b/").map((c) => c.prefix)).toEqual(["a/", "a//", "a//b/"]);
  expect(crumbs("/")).toEqual([{ name: "", prefix: "/" }]);
});

test.each([
  ["", ""],
  ["a/", ""],
  ["a/b/", "a/"],
  ["a//", "a/"],
])("up from %j is %j", (prefix, parent) => {
  expect(parentPrefix(prefix)).toBe(parent);
});

test("names are shown without their folder", () => {
  expect(nameInside("a/b/", "a/b/c.zip")).toBe("c.zip");
  expect(nameInside("", "c.zip")).toBe("c.zip");
  expect(nameInside("a/", "a/")).toBe("");
});

test.each([
  ["a/b.zip", "b.zip"],
  ["b.zip", "b.zip"],
  ["a/b/", "b"],
  ["/", "object"],
])("%j downloads as %j", (key, name) => {
  expect(fileName(key)).toBe(name);
});

describe("urlCanName", () => {
  test.each(["a", "a/b", "a//b", "/a", "a/", ".hidden", "..a", "a/...", "%2e%2e", ". "])("%j: yes", (key) => {
    expect(urlCanName(key)).toBe(true);
    expect(new URL(`http://h${objectPath("b", key)}`).pathname).toBe(objectPath("b", key));
  });
  test.each([".", "..", "a/./b", "a/../b", "a/.."])("%j: no, the browser would ask for another object", (key) => {
    expect(urlCanName(key)).toBe(false);
    expect(new URL(`http://h${objectPath("b", key)}`).pathname).not.toBe(objectPath("b", key));
  });
});

test("an object path keeps its slashes and nothing else", () => {
  expect(objectPath("b", "a b/ü+?#%/(1)*.zip")).toBe("/b/a%20b/%C3%BC%2B%3F%23%25/%281%29%2A.zip");
});

test("a download's name is encoded, quotes and all", () => {
  expect(attachment(`it's "ü".zip`)).toBe("attachment; filename*=UTF-8''it%27s%20%22%C3%BC%22.zip");
});

test("a new folder's name loses the slashes around it", () => {
  expect(folderPrefix("a/", " /b/c/ ")).toBe("a/b/c/");
  expect(folderPrefix("", "x")).toBe("x/");
  expect(folderPrefix("a/", " / ")).toBeNull();
});
