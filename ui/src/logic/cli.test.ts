// SPDX-License-Identifier: GPL-2.0-only
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { downloadLine, makeBucketLine, uploadLine } from "./cli";

const keys = { endpoint: "http://localhost:9000", open: false };

test("lines name the endpoint, and that nothing is signed when the proxy is open", () => {
  expect(makeBucketLine(keys, "b")).toBe("aws --endpoint-url http://localhost:9000 s3 mb s3://b");
  expect(uploadLine({ ...keys, open: true }, "b", "r/", "v1.zip")).toBe(
    "aws --endpoint-url http://localhost:9000 --no-sign-request s3 cp v1.zip s3://b/r/",
  );
});

test.each(["it's", "a b", "$(x)", "`x`", '"', "a\nb", "*", "~", "\\", "-rf", "ü"])("a shell reads back %j", (key) => {
  const line = downloadLine(keys, "b", key).replace(/^aws/, "printf '%s\\0'");
  const words = execFileSync("sh", ["-c", line]).toString().split("\0");
  expect(words[words.indexOf("--key") + 1]).toBe(key);
});
