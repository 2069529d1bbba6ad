// SPDX-License-Identifier: GPL-2.0-only
// Every S3 request the page makes, as functions of a Store. Nothing here knows React; failures are the SDK's.

import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  PutObjectTaggingCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { decodeValue, encodeValue } from "../logic/metadata";
import { attachment, fileName, objectPath } from "../logic/path";
import type { Session } from "../session/session";
import { RequestSender } from "./xhr";

export interface Store {
  endpoint: string;
  session: Session;
  client: S3Client;
}

export interface Bucket {
  name: string;
  created: Date | null;
}

/** "delta", "direct", or null when the server does not say (it is not DeltaGlider). */
export type StorageType = "delta" | "direct" | null;

export interface ObjectDetails {
  size: number;
  modified: Date | null;
  etag: string;
  contentType: string;
  storageType: StorageType;
  metadata: Record<string, string>;
  /** Other headers that are kept with it, by the SDK's names. */
  headers: KeptHeaders;
}

export interface KeptHeaders {
  CacheControl?: string;
  ContentDisposition?: string;
  ContentEncoding?: string;
  ContentLanguage?: string;
}

/** What the server calls itself; it takes signatures for any. */
export const REGION = "us-east-1";

/** The SDK wants credentials even where nothing gets signed. */
const NO_CREDENTIALS = { accessKeyId: "none", secretAccessKey: "none" };

export function connect(endpoint: string, session: Session): Store {
  const client = new S3Client({
    endpoint,
    region: REGION,
    forcePathStyle: true,
    requestHandler: new RequestSender(),
    // Otherwise presigned links would ask for checksums that nobody who opens them looks at.
    responseChecksumValidation: "WHEN_REQUIRED",
    ...(session.kind === "keys"
      ? { credentials: { accessKeyId: session.accessKeyId, secretAccessKey: session.secretAccessKey } }
      : { credentials: NO_CREDENTIALS, signer: { sign: async (request) => request } }),
  });
  client.middlewareStack.add(
    (next) => (args) => {
      // A body's CRC-32 is in a signed header; a SHA-256 of it in the signature would cost time and add little.
      const { request, input } = args as { request: { headers: Record<string, string> }; input: object };
      if ("Body" in input) request.headers["x-amz-content-sha256"] = "UNSIGNED-PAYLOAD";
      return next(args);
    },
    { step: "build", name: "unsignedPayload" },
  );
  return { endpoint, session, client };
}

/** Whether the proxy answers without a signature. Throws when its answer does not tell, or there is none. */
export async function isOpen(endpoint: string): Promise<boolean> {
  const { ok, status } = await fetch(`${endpoint}/`, { credentials: "omit", cache: "no-store" });
  if (ok || status === 401 || status === 403) return ok;
  throw Object.assign(new Error("The server answered with an error."), { $metadata: { httpStatusCode: status } });
}

export async function listBuckets({ client }: Store): Promise<Bucket[]> {
  const { Buckets = [] } = await client.send(new ListBucketsCommand({}));
  return Buckets.map(({ Name = "", CreationDate }) => ({ name: Name, created: CreationDate ?? null }));
}

export async function createBucket({ client }: Store, bucket: string): Promise<void> {
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
}

export async function deleteBucket({ client }: Store, bucket: string): Promise<void> {
  await client.send(new DeleteBucketCommand({ Bucket: bucket }));
}

export async function describe(
  { client }: Store,
  bucket: string,
  key: string,
  abortSignal: AbortSignal,
): Promise<ObjectDetails> {
  const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
  let storageType: StorageType = null;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { headers } = result.response as { headers: Record<string, string> };
      const said = headers["x-amz-storage-type"];
      if (said === "delta" || said === "direct") storageType = said;
      return result;
    },
    { step: "deserialize", name: "storageType" }, // the only S3 answer header here that the SDK has no field for
  );
  const answer = await client.send(command, { abortSignal });
  return {
    size: answer.ContentLength ?? 0,
    modified: answer.LastModified ?? null,
    etag: unquoted(answer.ETag ?? ""),
    contentType: answer.ContentType ?? "application/octet-stream",
    storageType,
    metadata: Object.fromEntries(
      Object.entries(answer.Metadata ?? {}).map(([name, value]) => [name, decodeValue(value)]),
    ),
    headers: {
      ...(answer.CacheControl && { CacheControl: answer.CacheControl }),
      ...(answer.ContentDisposition && { ContentDisposition: answer.ContentDisposition }),
      ...(answer.ContentEncoding && { ContentEncoding: answer.ContentEncoding }),
      ...(answer.ContentLanguage && { ContentLanguage: answer.ContentLanguage }),
    },
  };
}

/** Names with values, in the order they are shown. */
export type Pairs = readonly (readonly [string, string])[];

/** The most keys of one DeleteObjects (S3 API Reference). */
export const DELETE_AT_ONCE = 1000;

/** Deletes up to 1000 objects. Throws the first failure after all were tried. */
export async function deleteObjects({ client }: Store, bucket: string, keys: readonly string[]): Promise<void> {
  const Objects = keys.map((Key) => ({ Key }));
  const answer = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }));
  const failed = answer.Errors?.[0];
  if (failed === undefined) return;
  throw Object.assign(new Error(`${failed.Key}: ${failed.Message}`), { name: failed.Code ?? "Error" });
}

/** The first bytes of an object, at most `limit`. */
export async function readStart(
  { client }: Store,
  bucket: string,
  key: string,
  limit: number,
  abortSignal: AbortSignal,
): Promise<Uint8Array> {
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range: `bytes=0-${limit - 1}` });
  const { Body } = await client.send(command, { abortSignal });
  return (await Body?.transformToByteArray()) ?? new Uint8Array();
}

export async function readTags({ client }: Store, bucket: string, key: string, abortSignal: AbortSignal) {
  const { TagSet = [] } = await client.send(new GetObjectTaggingCommand({ Bucket: bucket, Key: key }), { abortSignal });
  return TagSet.map(({ Key = "", Value = "" }) => [Key, Value] as const);
}

export async function writeTags({ client }: Store, bucket: string, key: string, tags: Pairs) {
  const TagSet = tags.map(([Key, Value]) => ({ Key, Value }));
  await client.send(new PutObjectTaggingCommand({ Bucket: bucket, Key: key, Tagging: { TagSet } }));
}

/** Gives an object another type and other metadata: a copy onto itself that moves no bytes. */
export async function writeMetadata(
  { client }: Store,
  bucket: string,
  key: string,
  ContentType: string,
  metadata: Pairs,
  headers: KeptHeaders,
) {
  const command = new CopyObjectCommand({
    Bucket: bucket,
    Key: key,
    CopySource: objectPath(bucket, key),
    MetadataDirective: "REPLACE",
    ...headers,
    ContentType,
    Metadata: Object.fromEntries(metadata.map(([name, value]) => [name, encodeValue(value)])),
  });
  await client.send(command);
}

/** A link that downloads the object, for whoever has it, for `seconds`; without end when the proxy is open. */
export async function downloadLink({ client, endpoint, session }: Store, bucket: string, key: string, seconds: number) {
  const disposition = attachment(fileName(key));
  if (session.kind === "open") {
    return `${endpoint}${objectPath(bucket, key)}?response-content-disposition=${encodeURIComponent(disposition)}`;
  }
  const command = new GetObjectCommand({ Bucket: bucket, Key: key, ResponseContentDisposition: disposition });
  return getSignedUrl(client, command, { expiresIn: seconds });
}

function unquoted(etag: string): string {
  return etag.replace(/^"(.*)"$/, "$1");
}
