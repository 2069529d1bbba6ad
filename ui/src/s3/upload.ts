// SPDX-License-Identifier: GPL-2.0-only
// One file to one key: a single PUT when it is small, else a multipart upload with a few parts in flight. At most
// `PARTS_IN_FLIGHT` parts are in memory. What does not finish is aborted, so no parts are left on the server.

import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { isMultipart, type PartRange, partRanges } from "../logic/parts";
import type { Store } from "./store";

const PARTS_IN_FLIGHT = 3;

export interface Target {
  bucket: string;
  key: string;
}

/** Resolves when the object is stored; `onProgress` gets the bytes sent so far, which can go back on a retry. */
export async function upload(
  store: Store,
  { bucket, key }: Target,
  file: File,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const ContentType = file.type || "application/octet-stream";
  if (isMultipart(file.size)) return uploadParts(store, { bucket, key }, file, ContentType, signal, onProgress);
  const Body = await bytesOf(file, { start: 0, end: file.size });
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body, ContentType });
  await store.client.send(command, { abortSignal: signal, ...reporting(onProgress) });
}

async function uploadParts(
  { client }: Store,
  { bucket, key }: Target,
  file: File,
  ContentType: string,
  signal: AbortSignal,
  onProgress: (bytes: number) => void,
): Promise<void> {
  const name = { Bucket: bucket, Key: key };
  const create = new CreateMultipartUploadCommand({ ...name, ContentType, ChecksumAlgorithm: "CRC32" });
  const { UploadId } = await client.send(create, { abortSignal: signal });

  const ranges = partRanges(file.size);
  const parts: CompletedPart[] = [];
  const sent: number[] = ranges.map(() => 0);
  const stop = new AbortController();
  const abortSignal = AbortSignal.any([signal, stop.signal]);

  async function sendPart(index: number): Promise<void> {
    const Body = await bytesOf(file, ranges[index]!);
    const PartNumber = index + 1;
    const command = new UploadPartCommand({ ...name, UploadId, PartNumber, Body, ChecksumAlgorithm: "CRC32" });
    const report = reporting((bytes) => {
      sent[index] = bytes;
      onProgress(sent.reduce((sum, one) => sum + one, 0));
    });
    const { ETag, ChecksumCRC32 } = await client.send(command, { abortSignal, ...report });
    parts[index] = { PartNumber, ETag, ChecksumCRC32 };
  }

  const waiting = ranges.keys();
  async function work(): Promise<void> {
    for (const index of waiting) {
      abortSignal.throwIfAborted();
      await sendPart(index);
    }
  }

  try {
    await Promise.all(Array.from({ length: PARTS_IN_FLIGHT }, work));
    const complete = new CompleteMultipartUploadCommand({ ...name, UploadId, MultipartUpload: { Parts: parts } });
    await client.send(complete, { abortSignal });
  } catch (thrown) {
    stop.abort();
    // The reason to report is `thrown`; an abort that fails too leaves parts, which the server's owner can list.
    await client.send(new AbortMultipartUploadCommand({ ...name, UploadId })).catch(() => undefined);
    throw thrown;
  }
}

async function bytesOf(file: File, { start, end }: PartRange): Promise<Uint8Array> {
  return new Uint8Array(await file.slice(start, end).arrayBuffer());
}

/** The sender's own option, which the SDK hands through as it is (see xhr.ts). */
function reporting(onSent: (bytes: number) => void): object {
  return { onSent };
}
