// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { isActive, newTransfer, reduce, summarize, type Transfer, type TransferEvent } from "./state";

function after(...events: TransferEvent[]): readonly Transfer[] {
  const added: TransferEvent = {
    event: "added",
    transfers: [newTransfer(1, "b", "k1", 100), newTransfer(2, "b", "k2", 50)],
  };
  return [added, ...events].reduce(reduce, [] as readonly Transfer[]);
}

const BEGAN: TransferEvent = { event: "began", id: 1, at: 1000 };
const progress = (sent: number, at = 2000): TransferEvent => ({ event: "progress", id: 1, sent, at });

test("a transfer waits, runs and is done", () => {
  const [one] = after(BEGAN, progress(40));
  expect(one).toMatchObject({ status: "running", sent: 40 });
  const [done] = after(BEGAN, { event: "done", id: 1, at: 3500 });
  expect(done).toMatchObject({ status: "done", sent: 100, took: 2500 });
});

test("progress may go back, never over the size", () => {
  expect(after(BEGAN, progress(90), progress(10))[0]!.sent).toBe(10);
  expect(after(BEGAN, progress(130))[0]!.sent).toBe(100);
});

test("late progress does not wake what was paused or cancelled", () => {
  expect(after(BEGAN, { event: "cancelled", id: 1 }, progress(5))[0]).toMatchObject({ status: "cancelled", sent: 0 });
  expect(after(BEGAN, progress(50), { event: "paused", id: 1 }, progress(60))[0]).toMatchObject({
    status: "paused",
    sent: 50,
  });
});

test("what was paused, failed or stalled goes on where it was; what was cancelled begins anew", () => {
  const resumed: TransferEvent = { event: "resumed", id: 1 };
  for (const stop of [
    { event: "paused", id: 1 },
    { event: "failed", id: 1, problem: "No." },
    { event: "stalled", id: 1, problem: "No." },
  ] satisfies TransferEvent[]) {
    expect(after(BEGAN, progress(40), stop, resumed)[0]).toMatchObject({ status: "waiting", sent: 40, problem: null });
  }
  expect(after(BEGAN, progress(40), { event: "cancelled", id: 1 }, resumed)[0]).toEqual(newTransfer(1, "b", "k1", 100));
  expect(after({ event: "done", id: 1, at: 0 }, resumed)[0]!.status).toBe("done");
});

test("what is stalled still moves by itself", () => {
  expect(isActive(after({ event: "stalled", id: 1, problem: "No." })[0]!)).toBe(true);
});

test("clearing keeps what still moves or may", () => {
  expect(after({ event: "done", id: 1, at: 0 }, { event: "cleared" }).map(({ id }) => id)).toEqual([2]);
  expect(after({ event: "paused", id: 1 }, { event: "cleared" })).toHaveLength(2);
});

test("the summary leaves out what was cancelled", () => {
  const all = after(BEGAN, progress(0, 1000), progress(25, 2000), { event: "cancelled", id: 2 });
  expect(summarize(all)).toEqual({ active: 1, paused: 0, done: 0, failed: 0, sent: 25, size: 100, pace: 25 });
});
