// SPDX-License-Identifier: GPL-2.0-only
// Checksums of what is uploaded, from one worker that lives as long as the page.

export interface Question {
  id: number;
  blob: Blob;
}

export type Answer = { id: number; crc32: string } | { id: number; problem: string };

interface Waiting {
  resolve: (crc32: string) => void;
  reject: (problem: Error) => void;
}

const waiting = new Map<number, Waiting>();
let worker: Worker | null = null;
let lastId = 0;

/** The value of x-amz-checksum-crc32 for `blob`. Rejects when the blob can't be read any more. */
export function crc32Of(blob: Blob): Promise<string> {
  worker ??= start();
  const to = worker;
  const id = ++lastId;
  return new Promise((resolve, reject) => {
    waiting.set(id, { resolve, reject });
    to.postMessage({ id, blob } satisfies Question);
  });
}

function start(): Worker {
  const started = new Worker(new URL("./checksum.worker.ts", import.meta.url), { type: "module" });
  started.addEventListener("message", ({ data }: MessageEvent<Answer>) => {
    const answer = waiting.get(data.id);
    waiting.delete(data.id);
    if ("crc32" in data) answer?.resolve(data.crc32);
    else answer?.reject(new Error(data.problem));
  });
  started.addEventListener("error", () => {
    for (const answer of waiting.values())
      answer.reject(new Error("The page's checksum worker failed. Reload the page."));
    waiting.clear();
    worker = null;
  });
  return started;
}
