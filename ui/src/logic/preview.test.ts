// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { previewKind, readable } from "./preview";

test.each([
  ["a.json", "application/octet-stream", "json"],
  ["a", "application/json; charset=utf-8", "json"],
  ["a.png", "image/png", "image"],
  ["a.JPG", "application/octet-stream", "image"],
  ["a.svg", "image/svg+xml", "text"],
  ["notes.md", "application/octet-stream", "text"],
  ["a", "text/plain", "text"],
  ["a.zip", "application/zip", null],
  ["a.html", "text/html", "text"],
])("%s of type %s is %s", (key, type, kind) => {
  expect(previewKind(key, type, 100)).toBe(kind);
});

test("nothing is shown of what is empty, and no huge image is loaded", () => {
  expect(previewKind("a.txt", "text/plain", 0)).toBeNull();
  expect(previewKind("a.png", "image/png", 2 ** 30)).toBeNull();
  expect(previewKind("a.txt", "text/plain", 2 ** 30)).toBe("text");
});

const bytes = (text: string) => new TextEncoder().encode(text);

test("JSON is indented, and anything else shown as it is", () => {
  expect(readable(bytes('{"a":[1]}'), "json", true)).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(readable(bytes('{"a":[1'), "json", false)).toBe('{"a":[1');
  expect(readable(bytes("{not json"), "json", true)).toBe("{not json");
  expect(readable(bytes("é"), "text", true)).toBe("é");
  expect(readable(bytes("a\0b"), "text", true)).toBeNull();
});
