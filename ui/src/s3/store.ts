// SPDX-License-Identifier: GPL-2.0-only
// Every S3 request the page makes, as functions of a Store. Nothing here knows React; failures are the SDK's.

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import { attachment, decodeListed, fileName, objectPath, urlCanName } from "../logic/path";
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

export interface ListedObject {
  key: string;
  size: number;
  modified: Date | null;
  etag: string;
}

export interface Page {
  /** Common prefixes, each with its "/". */
  folders: string[];
  objects: ListedObject[];
  /** What asks for the next page; null on the last. */
  next: string | null;
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
}

/** The SDK wants credentials even where nothing gets signed. */
const NO_CREDENTIALS = { accessKeyId: "none", secretAccessKey: "none" };

export function connect(endpoint: string, session: Session): Store {
  const client = new S3Client({
    endpoint,
    region: "us-east-1",
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

/** One page of the folder `prefix`. */
export async function listPage(
  { client }: Store,
  bucket: string,
  prefix: string,
  after: string | null,
  abortSignal: AbortSignal,
): Promise<Page> {
  const command = new ListObjectsV2Command({
    Bucket: bucket,
    Prefix: prefix,
    Delimiter: "/",
    MaxKeys: 500,
    EncodingType: "url", // XML can't carry every character a key may have
    ...(after === null ? {} : { ContinuationToken: after }),
  });
  const answer = await client.send(command, { abortSignal });
  const decode = answer.EncodingType === "url" ? decodeListed : (text: string) => text;
  return {
    folders: (answer.CommonPrefixes ?? []).map(({ Prefix = "" }) => decode(Prefix)),
    objects: (answer.Contents ?? []).map(({ Key = "", Size = 0, LastModified, ETag = "" }) => ({
      key: decode(Key),
      size: Size,
      modified: LastModified ?? null,
      etag: unquoted(ETag),
    })),
    next: answer.IsTruncated ? (answer.NextContinuationToken ?? null) : null,
  };
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
    metadata: answer.Metadata ?? {},
  };
}

export async function deleteObject({ client }: Store, bucket: string, key: string): Promise<void> {
  if (urlCanName(key)) {
    await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
    return;
  }
  const answer = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: [{ Key: key }] } }));
  const failed = answer.Errors?.[0];
  if (failed !== undefined) throw Object.assign(new Error(failed.Message), { name: failed.Code ?? "Error" });
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
