// SPDX-License-Identifier: GPL-2.0-only
// Runs uploads, two at a time, and keeps what is known about them where React can subscribe to it.

import { explain, isUnreachable } from "../logic/explain";
import { urlCanName } from "../logic/path";
import type { Store } from "../s3/store";
import { discard, newProgress, type PartProgress, upload } from "../s3/upload";
import { isActive, isResumable, newTransfer, reduce, type Transfer, type TransferEvent } from "./state";

const AT_ONCE = 2;

/** Shown progress changes at most this often, in milliseconds; every change renders the list. */
const PROGRESS_EVERY = 100;

/** Milliseconds until a stalled upload goes on, after one failure, two in a row, …; then somebody must say so. */
const PATIENCE = [1000, 2000, 4000, 8000, 15_000, 30_000, 60_000];

export interface Upload {
  key: string;
  file: File;
}

interface Work {
  file: File;
  progress: PartProgress;
  /** Failures without an answer since bytes last moved. */
  failures: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class TransferQueue {
  #transfers: readonly Transfer[] = [];
  #work = new Map<number, Work>();
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
      this.#work.set(this.#lastId, { file, progress: newProgress(), failures: 0, timer: undefined });
      return newTransfer(this.#lastId, bucket, key, file.size);
    });
    this.#happened({ event: "added", transfers });
    this.#startMore();
  }

  pause(id: number): void {
    clearTimeout(this.#work.get(id)?.timer);
    this.#happened({ event: "paused", id });
    this.#running.get(id)?.abort();
  }

  /** Lets go of what is stored of it already. */
  cancel(id: number): void {
    const transfer = this.#transfers.find((one) => one.id === id);
    const work = this.#work.get(id);
    if (transfer === undefined || work === undefined || transfer.status === "done") return;
    clearTimeout(work.timer);
    this.#happened({ event: "cancelled", id });
    const running = this.#running.get(id);
    if (running === undefined) this.#discard(transfer, work);
    else running.abort(); // #run discards, once nothing is under way any more
  }

  /** Goes on, or begins again. */
  resume(id: number): void {
    const work = this.#work.get(id);
    if (work === undefined) return;
    clearTimeout(work.timer);
    work.failures = 0;
    this.#happened({ event: "resumed", id });
    this.#startMore();
  }

  pauseAll(): void {
    for (const one of this.#transfers) if (isActive(one)) this.pause(one.id);
  }

  resumeAll(): void {
    for (const one of this.#transfers) if (isResumable(one) && one.status !== "cancelled") this.resume(one.id);
  }

  cancelAll(): void {
    for (const one of this.#transfers) if (isActive(one) || one.status === "paused") this.cancel(one.id);
  }

  clear(): void {
    for (const one of this.#transfers) {
      const work = this.#work.get(one.id);
      if (one.status === "failed" && work !== undefined) this.#discard(one, work);
    }
    this.#happened({ event: "cleared" });
    const known = new Set(this.#transfers.map(({ id }) => id));
    for (const id of this.#work.keys()) if (!known.has(id)) this.#work.delete(id);
  }

  #startMore(): void {
    const waiting = this.#transfers.filter(({ id, status }) => status === "waiting" && !this.#running.has(id));
    for (const transfer of waiting.slice(0, Math.max(0, AT_ONCE - this.#running.size))) void this.#run(transfer);
  }

  async #run(transfer: Transfer): Promise<void> {
    const { id, bucket, key } = transfer;
    const work = this.#work.get(id)!;
    const stop = new AbortController();
    this.#running.set(id, stop);
    this.#happened({ event: "began", id, at: performance.now() });
    let shown = 0;
    try {
      if (!urlCanName(key)) throw new Error("Browsers can't send a name with “.” or “..” as a folder. aws-cli can.");
      await upload(this.store, { bucket, key }, work.file, work.progress, stop.signal, (sent) => {
        if (sent > 0) work.failures = 0;
        const at = performance.now();
        if (at - shown < PROGRESS_EVERY) return;
        shown = at;
        this.#happened({ event: "progress", id, sent, at });
      });
      this.#happened({ event: "done", id, at: performance.now() });
      this.#work.delete(id);
      this.onStored(bucket, key);
    } catch (thrown) {
      if (stop.signal.aborted) {
        const status = this.#transfers.find((one) => one.id === id)?.status;
        if (status === "cancelled") this.#discard(transfer, work);
      } else this.#failed(id, work, thrown);
    } finally {
      this.#running.delete(id);
      this.#startMore();
    }
  }

  #failed(id: number, work: Work, thrown: unknown): void {
    const problem = explain(thrown, this.store.endpoint);
    const wait = isUnreachable(thrown) ? PATIENCE[work.failures] : undefined;
    if (wait === undefined) {
      this.#happened({ event: "failed", id, problem });
      return;
    }
    work.failures += 1;
    this.#happened({ event: "stalled", id, problem });
    work.timer = setTimeout(() => {
      this.#happened({ event: "resumed", id });
      this.#startMore();
    }, wait);
  }

  #discard({ bucket, key }: Transfer, work: Work): void {
    const old = work.progress;
    work.progress = newProgress();
    void discard(this.store, { bucket, key }, old);
  }

  #happened(event: TransferEvent): void {
    this.#transfers = reduce(this.#transfers, event);
    for (const listener of this.#listeners) listener();
  }
}
