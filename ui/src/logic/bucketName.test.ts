// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { bucketNameProblem } from "./bucketName";

test.each(["abc", "my-bucket", "a.b.c", "123", "a".repeat(63)])("%j can be a bucket", (name) => {
  expect(bucketNameProblem(name)).toBeNull();
});

test.each([
  "",
  "ab",
  "a".repeat(64),
  "Abc",
  "a_b",
  "a b",
  "-abc",
  "abc-",
  ".abc",
  "a..b",
  "192.168.0.1",
  "bücket",
  "_",
])("%j can't be a bucket", (name) => {
  expect(bucketNameProblem(name)).toMatch(/\.$/);
});
