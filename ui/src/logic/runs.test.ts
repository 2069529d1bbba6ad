// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import type { Run } from "../s3/own";
import { ending, progress, share, sorted, typed } from "./runs";

const MINUTE = 60_000;

function run(more: Partial<Run>): Run {
  return {
    bucket: "releases",
    prefix: "",
    command: "verify",
    options: "",
    unit: "objects",
    done: 0,
    total: null,
    began: 0,
    updated: 0,
    state: "running",
    result: "",
    ...more,
  };
}

test("a command as it was typed", () => {
  expect(typed(run({ options: "--data" }))).toBe("verify --data releases");
  expect(typed(run({ command: "gc", prefix: "app/" }))).toBe("gc releases/app/");
});

test("progress", () => {
  expect(progress(run({ done: 1000, total: 4000 }), 2 * MINUTE)).toBe(
    "1,000 of 4,000 objects, 2 min so far, about 6 min left",
  );
  expect(progress(run({ done: 1024, total: 2048, unit: "bytes" }), 1000)).toBe("1 KiB of 2 KiB, 1 s so far");
  expect(progress(run({ done: 1 }), MINUTE)).toBe("1 object, 1 min so far");
  expect(progress(run({ total: 9 }), MINUTE)).toBe("0 of 9 objects, 1 min so far");
});

test("the share that is done", () => {
  expect(share(run({ done: 1, total: 4 }))).toBe(0.25);
  expect(share(run({ done: 5, total: 4 }))).toBe(1);
  expect(share(run({ done: 5 }))).toBeNull();
  expect(share(run({ total: 0 }))).toBeNull();
});

test("how a run ended", () => {
  expect(ending(run({ state: "ended", result: "40 objects: all sound" }), 180 * MINUTE)).toEqual({
    when: "3 h ago",
    what: "40 objects: all sound",
    wrong: false,
  });
  expect(ending(run({ state: "ended", result: "40 objects: 2 damaged" }), 0)).toMatchObject({
    when: "just now",
    wrong: true,
  });
  expect(ending(run({ state: "failed", result: "no disk" }), 0).what).toBe("failed: no disk");
  expect(ending(run({ state: "died" }), 0)).toMatchObject({ what: "its process ended without a word", wrong: true });
  expect(ending(run({ state: "stopped" }), 0)).toMatchObject({ what: "stopped before the end", wrong: false });
});

test("those under way, and those that are over", () => {
  const [first, second] = [run({ began: 1 }), run({ began: 2, command: "gc" })];
  const [before, last] = [run({ state: "ended", updated: 3 }), run({ state: "died", updated: 9 })];
  expect(sorted([second, before, first, last])).toEqual({ running: [first, second], over: [last, before] });
});
