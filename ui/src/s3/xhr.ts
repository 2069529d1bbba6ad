// SPDX-License-Identifier: GPL-2.0-only
// Sends the SDK's requests. fetch can't tell how much of a body has been sent, so a request that wants to know goes
// through XMLHttpRequest; all others go the SDK's usual way.

import { type HttpRequest, HttpResponse } from "@smithy/core/protocols";
import { FetchHttpHandler } from "@smithy/fetch-http-handler";
import type { HttpHandlerOptions } from "@smithy/types";

export interface SendOptions extends HttpHandlerOptions {
  /** Called with the bytes of the body sent so far. A retry starts again from 0. */
  onSent?: (bytes: number) => void;
}

export class RequestSender extends FetchHttpHandler {
  override handle(request: HttpRequest, options: SendOptions = {}) {
    const { onSent, abortSignal } = options;
    if (onSent === undefined) return super.handle(request, options);
    return sendReporting(request, onSent, abortSignal as AbortSignal | undefined);
  }
}

function sendReporting(
  request: HttpRequest,
  onSent: (bytes: number) => void,
  abortSignal: AbortSignal | undefined,
): Promise<{ response: HttpResponse }> {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    if (abortSignal?.aborted) return reject(new DOMException("Cancelled", "AbortError"));
    abortSignal?.addEventListener("abort", abort, { once: true });
    xhr.addEventListener("loadend", () => abortSignal?.removeEventListener("abort", abort));

    xhr.addEventListener("abort", () => reject(new DOMException("Cancelled", "AbortError")));
    // The words of Chromium's fetch: the SDK's retry strategy knows a network error by them.
    xhr.addEventListener("error", () => reject(new TypeError("Failed to fetch")));
    xhr.addEventListener("load", () =>
      resolve({
        response: new HttpResponse({
          statusCode: xhr.status,
          reason: xhr.statusText,
          headers: parseHeaders(xhr.getAllResponseHeaders()),
          body: xhr.response as Blob,
        }),
      }),
    );
    xhr.upload.addEventListener("progress", (event) => onSent(event.loaded));

    xhr.responseType = "blob";
    xhr.open(request.method, urlOf(request));
    for (const [name, value] of Object.entries(request.headers)) {
      if (!SET_BY_BROWSER.has(name.toLowerCase())) xhr.setRequestHeader(name, value);
    }
    onSent(0);
    xhr.send(request.body as XMLHttpRequestBodyInit);
  });
}

/** Forbidden request headers (Fetch Standard, 2.2.2) that the SDK signs; the browser sends the same values itself. */
const SET_BY_BROWSER = new Set(["host", "content-length", "expect"]);

function urlOf({ protocol, hostname, port, path, query }: HttpRequest): string {
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(one ?? "")}`),
  );
  const search = pairs.length > 0 ? `?${pairs.join("&")}` : "";
  return `${protocol}//${hostname}${port === undefined ? "" : `:${port}`}${path}${search}`;
}

function parseHeaders(lines: string): Record<string, string> {
  const pairs = lines.split("\r\n").filter((line) => line !== "");
  return Object.fromEntries(
    pairs.map((line) => [line.split(":", 1)[0]!.toLowerCase(), line.replace(/^[^:]*:\s*/, "")]),
  );
}
