// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { s3Endpoint } from "./endpoint";

test.each([
  ["http://localhost:9001/#/a", "http://localhost:9000"],
  ["http://127.0.0.1:9001", "http://127.0.0.1:9000"],
  ["https://s3.example.com:9001", "https://s3.example.com:9000"],
  ["http://[::1]:9001", "http://[::1]:9000"],
  ["http://example.com", "http://example.com:79"],
  ["https://example.com", "https://example.com:442"],
])("%s talks to %s", (page, endpoint) => {
  expect(s3Endpoint(new URL(page))).toBe(endpoint);
});

test("port 1 has no port below it", () => {
  expect(s3Endpoint(new URL("http://localhost:1"))).toBeNull();
});
