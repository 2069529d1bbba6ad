// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { formatShare, hint, isEligible, savings } from "./savings";

test("savings of nothing are unknown, and can be negative", () => {
  expect(savings(0, 0)).toBeNull();
  expect(savings(100, 25)).toBe(0.75);
  expect(savings(100, 110)).toBeCloseTo(-0.1);
});

test.each([
  [0, "0 %"],
  [0.0004, "< 0.1 %"],
  [0.5, "50 %"],
  [0.9874, "98.7 %"],
  [0.99999, "> 99.9 %"],
  [1, "100 %"],
  [-0.05, "-5 %"],
])("%f is %s", (share, text) => {
  expect(formatShare(share)).toBe(text);
});

test("a suffix in any case makes a key eligible, a star every key", () => {
  expect(isEligible("a/B.TAR.GZ", [".zip", ".tar.gz"])).toBe(true);
  expect(isEligible("a/b.png", [".zip"])).toBe(false);
  expect(isEligible("anything", ["*"])).toBe(true);
});

const whole = (key: string) => ({ key, size: 9, storage: "direct", references: 0 });

test("a hint says why nothing is saved", () => {
  expect(hint([], [".zip"])).toBeNull();
  expect(hint([{ ...whole("a.zip"), storage: "delta" }, whole("b.zip")], [".zip"])).toBeNull();
  expect(hint([whole("a.png")], [".zip"])).toMatch(/delta_suffixes/);
  expect(hint([whole("a.zip"), whole("b.txt")], [".zip"])).toMatch(/second/);
  expect(hint([whole("a.zip"), whole("b.zip")], [".zip"])).toMatch(/in common/);
});
