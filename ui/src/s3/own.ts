// SPDX-License-Identifier: GPL-2.0-only
// The server's own pages under /_/, on this page's origin: JSON, asked for with the same keys as S3.

import { HttpRequest } from "@smithy/core/protocols";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Numbers } from "../logic/numbers";
import { REGION, type Store } from "./store";

/** An object as /_/objects shows it. */
export interface StoredObject {
  key: string;
  size: number;
  /** Bytes it takes by itself; what it shares with others, its references, is not in it. */
  stored: number;
  storage: "delta" | "direct";
  etag: string;
  /** Milliseconds since the epoch. */
  modified: number;
  references?: Reference[];
}

/** Bytes that objects are deltas against. */
export interface Reference {
  id: string;
  /** Of the object that brought it; empty for keys that may not see that. */
  name: string;
  size: number;
  stored: number;
}

export interface ObjectPage {
  prefixes: string[];
  objects: StoredObject[];
  /** What the next page comes after; null on the last. */
  next: string | null;
}

export interface Failure {
  time: number;
  request: string;
  operation: string;
  path: string;
  status: number | string;
  code?: string;
}

/** A run of gc, verify or optimize over a bucket; times in milliseconds since the epoch. */
export interface Run {
  bucket: string;
  prefix: string;
  command: string;
  /** As they are typed. */
  options: string;
  unit: "objects" | "bytes";
  done: number;
  total: number | null;
  began: number;
  updated: number;
  state: "running" | "ended" | "failed" | "stopped" | "died";
  /** What came out, in words. */
  result: string;
}

export interface Stats {
  version: string;
  python: string;
  backend: string;
  started: number;
  now: number;
  facts: { workers?: number; durability?: string; delta_suffixes?: string[]; max_delta_ratio?: number };
  checks: { name: string; verdict: "ok" | "low" | "failed"; facts: Record<string, number> }[];
  metrics: Numbers;
  /** Null when the storage did not answer. */
  runs: Run[] | null;
  /** The latest first; null for keys that may not see every bucket. */
  failures: Failure[] | null;
}

/** What something holds and takes, in the words of `deltaglider_proxy stats`. */
export interface Held {
  bucket: string;
  objects: number;
  logical_bytes: number;
  /** References and manifests counted in. */
  stored_bytes: number;
  savings: number | null;
  /** Stored by original bytes of the latest deltas; null when there was none. */
  recent_delta_ratio: number | null;
  /** It is being counted anew. */
  doubtful: boolean;
}

export interface SavingsReport {
  /** The largest, a thousand at most. */
  deltaspaces: (Held & { deltaspace: string })[];
  buckets: Held[];
  summary: Held & { deltaspaces: number };
}

export async function readSavings(store: Store, signal: AbortSignal): Promise<SavingsReport> {
  return (await ask(store, "savings", {}, signal)) as SavingsReport;
}

export async function readStats(store: Store, signal: AbortSignal): Promise<Stats> {
  return (await ask(store, "stats", {}, signal)) as Stats;
}

/** One page of the folder `prefix`; a prefix that does not end with "/" is the beginning of names. */
export async function readObjects(
  store: Store,
  bucket: string,
  prefix: string,
  delimiter: "/" | "",
  after: string | null,
  signal: AbortSignal,
): Promise<ObjectPage> {
  const query = { bucket, prefix, delimiter, ...(after === null ? {} : { "start-after": after }) };
  return linked((await ask(store, "objects", query, signal)) as AnsweredPage);
}

/** The answer itself: objects name references by their ids. */
interface AnsweredPage extends Omit<ObjectPage, "objects"> {
  objects: (Omit<StoredObject, "references"> & { references?: string[] })[];
  references: Reference[];
}

function linked({ prefixes, objects, references, next }: AnsweredPage): ObjectPage {
  const known = new Map(references.map((one) => [one.id, one]));
  return {
    prefixes,
    next,
    objects: objects.map(({ references: ids, ...object }) =>
      ids === undefined
        ? object
        : { ...object, references: ids.map((id) => known.get(id)).filter((one) => one !== undefined) },
    ),
  };
}

async function ask(store: Store, page: string, query: Record<string, string>, signal: AbortSignal): Promise<unknown> {
  const { protocol, hostname, port } = window.location;
  const request = new HttpRequest({
    method: "GET",
    protocol,
    hostname,
    ...(port === "" ? {} : { port: Number(port) }),
    path: `/_/${page}`,
    query,
    headers: { host: window.location.host, "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
  });
  const headers = await signed(store, request);
  const search = new URLSearchParams(query).toString().replaceAll("+", "%20");
  const answer = await fetch(`/_/${page}${search === "" ? "" : `?${search}`}`, {
    headers,
    signal,
    credentials: "omit",
    cache: "no-store",
  });
  if (!answer.ok) throw await refusal(answer);
  return answer.json();
}

/** The headers that sign a request; none where the server is open. */
async function signed({ session, client }: Store, request: HttpRequest): Promise<Record<string, string>> {
  if (session.kind === "open") return {};
  const signer = new SignatureV4({
    service: "s3",
    region: REGION,
    credentials: session,
    sha256: client.config.sha256,
    uriEscapePath: false,
  });
  const { host: _, ...headers } = (await signer.sign(request)).headers;
  return headers;
}

/** An error in the shape of the SDK's, from S3's XML. */
async function refusal(answer: Response): Promise<Error> {
  const document = new DOMParser().parseFromString(await answer.text(), "text/xml");
  const text = (name: string) => document.querySelector(name)?.textContent ?? "";
  return Object.assign(new Error(text("Message")), {
    name: text("Code") || "Error",
    $metadata: { httpStatusCode: answer.status, requestId: answer.headers.get("x-amz-request-id") ?? undefined },
  });
}
