// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { decodeValue, encodeValue } from "./metadata";

test.each(["", "plain", "größer", "日本語 and ASCII", "=?UTF-8?B?eA==?=", "a =? b"])("%j survives a header", (text) => {
  const header = encodeValue(text);
  expect(header).toMatch(/^[ -~]*$/);
  expect(decodeValue(header)).toBe(text);
});

test("words of other senders", () => {
  expect(decodeValue("=?UTF-8?Q?gr=C3=B6=C3=9Fer_als?=")).toBe("größer als");
  expect(decodeValue("=?utf-8?b?Z3I=?= =?utf-8?b?w7Y=?=")).toBe("grö");
  expect(decodeValue("=?UTF-8?B?/w==?=")).toBe("=?UTF-8?B?/w==?=");
  expect(decodeValue("=?ISO-8859-1?Q?a?=")).toBe("=?ISO-8859-1?Q?a?=");
});
