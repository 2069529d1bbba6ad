// SPDX-License-Identifier: GPL-2.0-only
// Keys and prefixes. A prefix is "" or ends with "/"; a key is any text, also one with empty segments.

export interface Crumb {
  name: string;
  prefix: string;
}

/** The folders on the way to `prefix`, outermost first: "a/b/" gives a -> "a/", b -> "a/b/". */
export function crumbs(prefix: string): Crumb[] {
  const names = prefix.split("/").slice(0, -1);
  return names.map((name, i) => ({ name, prefix: `${names.slice(0, i + 1).join("/")}/` }));
}

/** The prefix one folder up; "" stays "". */
export function parentPrefix(prefix: string): string {
  return crumbs(prefix).at(-2)?.prefix ?? "";
}

/** What to show for a key or common prefix inside the folder `prefix`. */
export function nameInside(prefix: string, key: string): string {
  return key.slice(prefix.length);
}

/** The file name a download gets: what follows the last "/", or the last folder's name for a key that ends in one. */
export function fileName(key: string): string {
  return key.split("/").findLast((segment) => segment !== "") ?? "object";
}

/**
 * Whether a URL can name this key. Browsers resolve "." and ".." segments before they send a path (URL Standard,
 * "path state"), encoded or not, so such a request would reach a different object.
 */
export function urlCanName(key: string): boolean {
  return !key.split("/").some((segment) => segment === "." || segment === "..");
}

/** A path-style object URL path. */
export function objectPath(bucket: string, key: string): string {
  return `/${bucket}/${key.split("/").map(encodeSegment).join("/")}`;
}

/** The Content-Disposition of a download (RFC 6266), with RFC 8187's encoding so that any name survives. */
export function attachment(name: string): string {
  return `attachment; filename*=UTF-8''${encodeSegment(name)}`;
}

/** RFC 3986's unreserved characters stay; encodeURIComponent leaves five more that SigV4 and RFC 8187 want encoded. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** A new folder's prefix from what somebody typed, or null when no name is left. */
export function folderPrefix(parent: string, typed: string): string | null {
  const name = typed.trim().replace(/^\/+|\/+$/g, "");
  return name === "" ? null : `${parent}${name}/`;
}
