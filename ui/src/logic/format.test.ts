// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { formatBytes, formatCount, formatDuration } from "./format";

test.each([
  [0, "0 bytes"],
  [1, "1 byte"],
  [1023, "1023 bytes"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [10 * 1024 + 52, "10.1 KiB"],
  [1024 * 1024 - 1, "1 MiB"],
  [64 * 1024 ** 2, "64 MiB"],
  [1023.9 * 1024 ** 2, "1 GiB"],
  [5 * 1024 ** 4, "5 TiB"],
  [3000 * 1024 ** 5, "3000 PiB"],
])("%d bytes read %j", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [0, "0 s"],
  [0.2, "1 s"],
  [60, "1 min"],
  [200, "3 min 20 s"],
  [3600, "1 h"],
  [7500, "2 h 5 min"],
])("%d seconds read %j", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test("counts have their noun", () => {
  expect(formatCount(1, "object", "objects")).toBe("1 object");
  expect(formatCount(12000, "object", "objects")).toBe("12,000 objects");
});
