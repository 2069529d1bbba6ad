// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { explain, isAbort, isDenied } from "./explain";

const endpoint = "http://h:9000";

test("known S3 codes are plain sentences", () => {
  expect(explain({ name: "SignatureDoesNotMatch", $metadata: { httpStatusCode: 403 } }, endpoint)).toMatch(/secret/);
});

test("a connection that failed names the endpoint", () => {
  expect(explain(new TypeError("Failed to fetch"), endpoint)).toBe(
    "http://h:9000 does not answer. Is the server running?",
  );
});

test("an unknown answer keeps its message, status and request id", () => {
  const failure = { name: "Odd", message: "Odd thing.", $metadata: { httpStatusCode: 500, requestId: "R1" } };
  expect(explain(failure, endpoint)).toBe("Odd thing. [500] (request R1)");
});

test("an answer without a body is known by its status", () => {
  expect(explain({ name: "403", message: "UnknownError", $metadata: { httpStatusCode: 403 } }, endpoint)).toMatch(
    /refused/,
  );
});

test.each([null, undefined, "text", {}, new Error("")])("anything thrown gives a sentence: %j", (thrown) => {
  expect(explain(thrown, endpoint)).toBe("Something failed.");
});

test("a refusal is told apart", () => {
  expect(isDenied({ name: "AccessDenied", $metadata: { httpStatusCode: 403 } })).toBe(true);
  expect(isDenied(new TypeError("Failed to fetch"))).toBe(false);
});

test("an abort is told apart", () => {
  expect(isAbort(new DOMException("x", "AbortError"))).toBe(true);
  expect(isAbort(new Error("x"))).toBe(false);
  expect(isAbort(null)).toBe(false);
});
