// SPDX-License-Identifier: GPL-2.0-only
// Reads and checksums blobs away from the page's thread, a few MiB at a time.

import { crc32, crc32Header } from "../logic/crc32";
import type { Answer, Question } from "./checksum";

const STEP = 4 * 1024 * 1024;

self.addEventListener("message", async ({ data: { id, blob } }: MessageEvent<Question>) => {
  let answer: Answer;
  try {
    let crc = 0;
    for (let at = 0; at < blob.size; at += STEP) {
      crc = crc32(new Uint8Array(await blob.slice(at, at + STEP).arrayBuffer()), crc);
    }
    answer = { id, crc32: crc32Header(crc) };
  } catch (thrown) {
    answer = { id, problem: `The file can't be read: ${(thrown as Error).message}` };
  }
  self.postMessage(answer);
});
