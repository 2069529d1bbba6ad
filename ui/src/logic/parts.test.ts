// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { isMultipart, partRanges } from "./parts";

const MIB = 1024 ** 2;

test("parts begin at 64 MiB", () => {
  expect(isMultipart(64 * MIB - 1)).toBe(false);
  expect(isMultipart(64 * MIB)).toBe(true);
});

test.each([64 * MIB, 64 * MIB + 1, 300 * MIB, 160_000 * MIB, 160_001 * MIB, 5 * MIB ** 2])(
  "%d bytes are covered once, in order, within S3's limits",
  (size) => {
    const ranges = partRanges(size);
    expect(ranges.length).toBeLessThanOrEqual(10_000);
    expect(ranges[0]!.start).toBe(0);
    expect(ranges.at(-1)!.end).toBe(size);
    ranges.forEach(({ start, end }, i) => {
      expect(end).toBeGreaterThan(start);
      if (i > 0) expect(start).toBe(ranges[i - 1]!.end);
      if (i < ranges.length - 1) expect(end - start).toBeGreaterThanOrEqual(5 * MIB);
      expect(end - start).toBeLessThanOrEqual(5 * 1024 * MIB);
    });
  },
);
