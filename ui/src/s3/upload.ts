// SPDX-License-Identifier: GPL-2.0-only
// One file to one key: a single PUT when it is small, else a multipart upload with a few parts in flight. Bodies are
// slices of the file, so the page holds none of their bytes; each goes with its CRC-32, which the server checks.
// What does not finish is aborted, so no parts are left on the server.

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
  const ChecksumCRC32 = await crc32Of(file);
  const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: file, ContentType, ChecksumCRC32 });
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
    const { start, end } = ranges[index]!;
    const Body = file.slice(start, end);
    const PartNumber = index + 1;
    const ChecksumCRC32 = await crc32Of(Body);
    const command = new UploadPartCommand({ ...name, UploadId, PartNumber, Body, ChecksumCRC32 });
    const report = reporting((bytes) => {
      sent[index] = bytes;
      onProgress(sent.reduce((sum, one) => sum + one, 0));
    });
    const { ETag } = await client.send(command, { abortSignal, ...report });
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

/** The sender's own option, which the SDK hands through as it is (see xhr.ts). */
function reporting(onSent: (bytes: number) => void): object {
  return { onSent };
}
