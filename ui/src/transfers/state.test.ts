// SPDX-License-Identifier: GPL-2.0-only
import { expect, test } from "vitest";
import { newTransfer, reduce, summarize, type Transfer, type TransferEvent } from "./state";

function after(...events: TransferEvent[]): readonly Transfer[] {
  const added: TransferEvent = {
    event: "added",
    transfers: [newTransfer(1, "b", "k1", 100), newTransfer(2, "b", "k2", 50)],
  };
  return [added, ...events].reduce(reduce, [] as readonly Transfer[]);
}

test("a transfer waits, runs and is done", () => {
  const [one] = after({ event: "began", id: 1, at: 1000 }, { event: "progress", id: 1, sent: 40 });
  expect(one).toMatchObject({ status: "running", sent: 40 });
  const [done] = after({ event: "began", id: 1, at: 1000 }, { event: "done", id: 1, at: 3500 });
  expect(done).toMatchObject({ status: "done", sent: 100, took: 2500 });
});

test("progress may go back, never over the size", () => {
  const began: TransferEvent = { event: "began", id: 1, at: 0 };
  expect(after(began, { event: "progress", id: 1, sent: 90 }, { event: "progress", id: 1, sent: 10 })[0]!.sent).toBe(
    10,
  );
  expect(after(began, { event: "progress", id: 1, sent: 130 })[0]!.sent).toBe(100);
});

test("late progress does not wake what was cancelled", () => {
  const [one] = after(
    { event: "began", id: 1, at: 0 },
    { event: "cancelled", id: 1 },
    { event: "progress", id: 1, sent: 5 },
  );
  expect(one).toMatchObject({ status: "cancelled", sent: 0 });
});

test("a failed transfer can be tried again, a finished one can't", () => {
  const failed: TransferEvent = { event: "failed", id: 1, problem: "No." };
  expect(after(failed)[0]).toMatchObject({ status: "failed", problem: "No." });
  expect(after(failed, { event: "retried", id: 1 })[0]).toEqual(newTransfer(1, "b", "k1", 100));
  expect(after({ event: "done", id: 1, at: 0 }, { event: "retried", id: 1 })[0]!.status).toBe("done");
});

test("clearing keeps what still moves", () => {
  expect(after({ event: "done", id: 1, at: 0 }, { event: "cleared" }).map(({ id }) => id)).toEqual([2]);
});

test("the summary leaves out what was cancelled", () => {
  const all = after(
    { event: "began", id: 1, at: 0 },
    { event: "progress", id: 1, sent: 25 },
    { event: "cancelled", id: 2 },
  );
  expect(summarize(all)).toEqual({ active: 1, done: 0, failed: 0, sent: 25, size: 100 });
});
