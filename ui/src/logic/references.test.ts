// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { usedReferences } from "./references";

test("references with their users, the most used first, then the oldest", () => {
  const [a, b, c] = ["A", "B", "C"].map((id) => ({ id, name: `${id}.zip`, size: 10, stored: 5 }));
  const objects = [
    { references: [b!] },
    { references: [c!] },
    {},
    { references: [c!, a!] },
    { references: [{ ...c! }] },
  ];
  expect(usedReferences(objects).map(({ name, users }) => [name, users])).toEqual([
    ["C.zip", 3],
    ["A.zip", 1],
    ["B.zip", 1],
  ]);
});

test("no references", () => {
  expect(usedReferences([{}])).toEqual([]);
});
