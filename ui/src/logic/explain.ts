// SPDX-License-Identifier: GPL-2.0-only

/** What the SDK throws, as far as we look at it. */
interface Failure {
  name?: string;
  message?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string };
}

const SENTENCES: Record<string, string> = {
  InvalidAccessKeyId: "The server does not know this access key.",
  SignatureDoesNotMatch: "The secret does not belong to this access key.",
  AccessDenied: "The server refused: these keys may not do this.",
  RequestTimeTooSkewed: "This computer's clock differs from the server's by more than 15 minutes.",
  NoSuchBucket: "This bucket does not exist any more.",
  NoSuchKey: "This object does not exist any more.",
  NotFound: "It does not exist any more.",
  BucketAlreadyExists: "A bucket with this name exists already.",
  BucketAlreadyOwnedByYou: "A bucket with this name exists already.",
  BucketNotEmpty: "The bucket still holds objects. Delete them first.",
  EntityTooLarge: "The file is larger than the server accepts.",
  SlowDown: "The server is busy. Try again in a moment.",
};

/** For answers without a body, a HEAD's above all, which have no code either. */
const BY_STATUS: Record<number, string | undefined> = {
  403: SENTENCES.AccessDenied,
  404: SENTENCES.NotFound,
  503: SENTENCES.SlowDown,
};

/** One plain sentence for anything that was thrown on the way to `endpoint`. */
export function explain(thrown: unknown, endpoint: string): string {
  const { name = "", message = "", $metadata } = (thrown ?? {}) as Failure;
  const known = SENTENCES[name];
  if (known !== undefined) return known;
  const status = $metadata?.httpStatusCode;
  if (status === undefined) {
    return NETWORK.has(name) ? `${endpoint} does not answer. Is the server running?` : message || "Something failed.";
  }
  const bare = message === "" || message === "UnknownError" ? BY_STATUS[status] : undefined;
  if (bare !== undefined) return bare;
  const request = $metadata?.requestId === undefined ? "" : ` (request ${$metadata.requestId})`;
  return `${message || name || "The server answered with an error."} [${status}]${request}`;
}

/** Browsers tell a page no more than this about a connection that failed or an answer it may not read. */
const NETWORK = new Set(["TypeError", "NetworkError", "TimeoutError"]);

/** There was no answer, or one that says to come back: what was tried may work in a moment. */
export function isUnreachable(thrown: unknown): boolean {
  const { name = "", $metadata } = (thrown ?? {}) as Failure;
  const status = $metadata?.httpStatusCode;
  return status === undefined ? NETWORK.has(name) : status === 502 || status === 503 || status === 504;
}

/** The server wants a signature. */
export function isDenied(thrown: unknown): boolean {
  return (thrown as Failure | null)?.$metadata?.httpStatusCode === 403;
}

/** Somebody cancelled: nothing to report. */
export function isAbort(thrown: unknown): boolean {
  return (thrown as Failure | null)?.name === "AbortError";
}
