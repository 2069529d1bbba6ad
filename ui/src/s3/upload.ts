// SPDX-License-Identifier: GPL-2.0-only
// One file to one key: a single PUT when it is small, else a multipart upload with a few parts in flight. Bodies are
// slices of the file, so the page holds none of their bytes; each goes with its CRC-32, which the server checks.
// What is stored of a multipart upload is kept in a `PartProgress`, so whoever calls again with it goes on from there.

import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { isMultipart, partRanges } from "../logic/parts";
import { crc32Of } from "./checksum";
import type { Store } from "./store";

const PARTS_IN_FLIGHT = 3;

export interface Target {
  bucket: string;
  key: string;
}

/** How far a multipart upload has come. */
export interface PartProgress {
  uploadId: string | null;
  /** The parts that are stored, by index. */
  parts: Map<number, CompletedPart>;
}

export function newProgress(): PartProgress {
  return { uploadId: null, parts: new Map() };
}

/** Resolves when the object is stored; `onSent` gets the bytes sent so far, which can go back on a retry. */
export async function upload(
  store: Store,
  { bucket, key }: Target,
  file: File,
  progress: PartProgress,
  signal: AbortSignal,
  onSent: (bytes: number) => void,
): Promise<void> {
  const ContentType = file.type || "application/octet-stream";
  if (isMultipart(file.size)) return uploadParts(store, { bucket, key }, file, ContentType, progress, signal, onSent);
  const ChecksumCRC32 = await crc32Of(file);
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: file, ContentType, ChecksumCRC32 });
  await store.client.send(command, { abortSignal: signal, ...reporting(onSent) });
}

/** Has the server forget the parts of an upload that will not go on. What it can't be told now, its owner finds. */
export async function discard({ client }: Store, { bucket, key }: Target, { uploadId }: PartProgress): Promise<void> {
  if (uploadId === null) return;
  const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
  await client.send(command).catch(() => undefined);
}

async function uploadParts(
  { client }: Store,
  { bucket, key }: Target,
  file: File,
  ContentType: string,
  progress: PartProgress,
  signal: AbortSignal,
  onSent: (bytes: number) => void,
): Promise<void> {
  const name = { Bucket: bucket, Key: key };
  if (progress.uploadId === null) {
    const create = new CreateMultipartUploadCommand({ ...name, ContentType, ChecksumAlgorithm: "CRC32" });
    progress.uploadId = (await client.send(create, { abortSignal: signal })).UploadId ?? null;
  }
  const UploadId = progress.uploadId ?? undefined;

  const ranges = partRanges(file.size);
  const sent = ranges.map(({ start, end }, index) => (progress.parts.has(index) ? end - start : 0));
  const report = () => onSent(sent.reduce((sum, one) => sum + one, 0));
  const stop = new AbortController();
  const abortSignal = AbortSignal.any([signal, stop.signal]);

  async function sendPart(index: number): Promise<void> {
    const { start, end } = ranges[index]!;
    const Body = file.slice(start, end);
    const PartNumber = index + 1;
    const ChecksumCRC32 = await crc32Of(Body);
    const command = new UploadPartCommand({ ...name, UploadId, PartNumber, Body, ChecksumCRC32 });
    const options = reporting((bytes) => {
      sent[index] = bytes;
      report();
    });
    const { ETag } = await client.send(command, { abortSignal, ...options });
    progress.parts.set(index, { PartNumber, ETag, ChecksumCRC32 });
  }

  const waiting = [...ranges.keys()].filter((index) => !progress.parts.has(index)).values();
  async function work(): Promise<void> {
    for (const index of waiting) {
      abortSignal.throwIfAborted();
      await sendPart(index);
    }
  }

  report();
  try {
    await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, work));
    const Parts = ranges.map((_, index) => progress.parts.get(index)!);
    const complete = new CompleteMultipartUploadCommand({ ...name, UploadId, MultipartUpload: { Parts } });
    await client.send(complete, { abortSignal: signal });
  } catch (thrown) {
    stop.abort();
    if ((thrown as Error).name === "NoSuchUpload") Object.assign(progress, newProgress()); // nothing to go on from
    throw thrown;
  }
}

/** The sender's own option, which the SDK hands through as it is (see xhr.ts). */
function reporting(onSent: (bytes: number) => void): object {
  return { onSent };
}
