// SPDX-License-Identifier: GPL-2.0-only
import { randomBytes } from "node:crypto";
import { crc32 as reference } from "node:zlib";
import { expect, test } from "vitest";
import { crc32, crc32Header } from "./crc32";

test("the check value of CRC-32", () => {
  expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});

test.each([1, 7, 8, 9, 15, 16, 17, 1000, 65537])("%d bytes agree with zlib, in one piece and in two", (length) => {
  const data = randomBytes(length);
  const cut = Math.floor(length / 3);
  expect(crc32(data)).toBe(reference(data));
  expect(crc32(data.subarray(cut), crc32(data.subarray(0, cut)))).toBe(reference(data));
});

test("the header is big-endian base64", () => {
  expect(crc32Header(0xcbf43926)).toBe(Buffer.from([0xcb, 0xf4, 0x39, 0x26]).toString("base64"));
});
