// SPDX-License-Identifier: GPL-2.0-only

/** The part of `window.location` this needs. `hostname` has its brackets when it is an IPv6 address. */
export interface PageAddress {
  protocol: string;
  hostname: string;
  port: string;
}

/** The S3 endpoint of the server that serves this page: same host, one port down. Null when there is no such port. */
export function s3Endpoint({ protocol, hostname, port }: PageAddress): string | null {
  const own = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  if (!Number.isInteger(own) || own < 2 || own > 65535) return null;
  return `${protocol}//${hostname}:${own - 1}`;
}
