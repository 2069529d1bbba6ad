// SPDX-License-Identifier: GPL-2.0-only

const MIB = 1024 * 1024;

/** From here on an upload goes in parts. */
const MULTIPART_FROM = 64 * MIB;

/** S3 allows 10,000 parts of 5 MiB to 5 GiB ("Amazon S3 multipart upload limits"). */
const MAX_PARTS = 10_000;
const PART_SIZE = 16 * MIB;

/** A slice of the file: from `start` up to, not including, `end`. */
export interface PartRange {
  start: number;
  end: number;
}

export function isMultipart(size: number): boolean {
  return size >= MULTIPART_FROM;
}

/** Cuts `size` bytes into parts of one size, whole MiB, the last one shorter. */
export function partRanges(size: number): PartRange[] {
  const length = Math.max(PART_SIZE, Math.ceil(size / MAX_PARTS / MIB) * MIB);
  const count = Math.ceil(size / length);
  return Array.from({ length: count }, (_, i) => ({ start: i * length, end: Math.min(size, (i + 1) * length) }));
}
