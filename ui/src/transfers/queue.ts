// SPDX-License-Identifier: GPL-2.0-only
// Runs uploads, two at a time, and keeps what is known about them where React can subscribe to it.

import { explain } from "../logic/explain";
import { urlCanName } from "../logic/path";
import type { Store } from "../s3/store";
import { upload } from "../s3/upload";
import { newTransfer, reduce, type Transfer, type TransferEvent } from "./state";

const AT_ONCE = 2;

/** Shown progress changes at most this often, in milliseconds; every change renders the list. */
const PROGRESS_EVERY = 100;

export interface Upload {
  key: string;
  file: File;
}

export class TransferQueue {
  #transfers: readonly Transfer[] = [];
  #files = new Map<number, File>();
  #running = new Map<number, AbortController>();
  #listeners = new Set<() => void>();
  #lastId = 0;

  constructor(
    private readonly store: Store,
    /** Told after each object that was stored. */
    private readonly onStored: (bucket: string, key: string) => void,
  ) {}

  readonly snapshot = (): readonly Transfer[] => this.#transfers;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  add(bucket: string, uploads: readonly Upload[]): void {
    const transfers = uploads.map(({ key, file }) => {
      this.#lastId += 1;
      this.#files.set(this.#lastId, file);
      return newTransfer(this.#lastId, bucket, key, file.size);
    });
    this.#happened({ event: "added", transfers });
    this.#startMore();
  }

  cancel(id: number): void {
    this.#happened({ event: "cancelled", id });
    this.#running.get(id)?.abort();
  }

  cancelAll(): void {
    for (const { id } of this.#transfers) this.cancel(id);
  }

  retry(id: number): void {
    this.#happened({ event: "retried", id });
    this.#startMore();
  }

  clear(): void {
    this.#happened({ event: "cleared" });
    const known = new Set(this.#transfers.map(({ id }) => id));
    for (const id of this.#files.keys()) if (!known.has(id)) this.#files.delete(id);
  }

  #startMore(): void {
    const waiting = this.#transfers.filter(({ id, status }) => status === "waiting" && !this.#running.has(id));
    for (const transfer of waiting.slice(0, Math.max(0, AT_ONCE - this.#running.size))) void this.#run(transfer);
  }

  async #run({ id, bucket, key }: Transfer): Promise<void> {
    const stop = new AbortController();
    this.#running.set(id, stop);
    this.#happened({ event: "began", id, at: performance.now() });
    let shown = 0;
    try {
      if (!urlCanName(key)) throw new Error("Browsers can't send a name with “.” or “..” as a folder. aws-cli can.");
      await upload(this.store, { bucket, key }, this.#files.get(id)!, stop.signal, (sent) => {
        const now = performance.now();
        if (now - shown < PROGRESS_EVERY) return;
        shown = now;
        this.#happened({ event: "progress", id, sent });
      });
      this.#happened({ event: "done", id, at: performance.now() });
      this.#files.delete(id);
      this.onStored(bucket, key);
    } catch (thrown) {
      // After a cancel the state is right already, and may even say "try again".
      if (!stop.signal.aborted) this.#happened({ event: "failed", id, problem: explain(thrown, this.store.endpoint) });
    } finally {
      this.#running.delete(id);
      this.#startMore();
    }
  }

  #happened(event: TransferEvent): void {
    this.#transfers = reduce(this.#transfers, event);
    for (const listener of this.#listeners) listener();
  }
}
