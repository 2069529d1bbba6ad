// SPDX-License-Identifier: GPL-2.0-only
// Where the page is, kept in the URL's fragment so that the server needs no routes and back, reload and links work:
//   #/                          the buckets
//   #/~savings, #/~health       the two pages about the server; no bucket's name begins with "~"
//   #/<bucket>/<prefix>         a folder
//   #/<bucket>/<prefix>?<name>  the same folder with one object open

export type Route =
  | { room: "buckets" }
  | { room: "savings" }
  | { room: "health" }
  | { room: "objects"; bucket: string; prefix: string; object: string | null };

export const BUCKETS: Route = { room: "buckets" };
export const SAVINGS: Route = { room: "savings" };
export const HEALTH: Route = { room: "health" };

/** A folder's route; with a key, that object is open in it. */
export function folder(bucket: string, prefix: string, object: string | null = null): Route {
  return { room: "objects", bucket, prefix, object };
}

export function formatRoute(route: Route): string {
  if (route.room === "buckets") return "#/";
  if (route.room !== "objects") return `#/~${route.room}`;
  const { bucket, prefix, object } = route;
  const path = prefix.split("/").map(encodeURIComponent).join("/");
  const open = object === null ? "" : `?${encodeURIComponent(object.slice(prefix.length))}`;
  return `#/${encodeURIComponent(bucket)}/${path}${open}`;
}

/** Any text gives a route: what is no address of ours is the bucket list. */
export function parseRoute(hash: string): Route {
  if (hash === "#/~savings") return SAVINGS;
  if (hash === "#/~health") return HEALTH;
  const match = /^#\/([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/.exec(hash);
  if (match === null) return BUCKETS;
  try {
    const bucket = decodeURIComponent(match[1] ?? "");
    const typed = (match[2] ?? "").split("/").map(decodeURIComponent).join("/");
    const prefix = typed === "" || typed.endsWith("/") ? typed : `${typed}/`;
    return folder(bucket, prefix, match[3] === undefined ? null : prefix + decodeURIComponent(match[3]));
  } catch {
    return BUCKETS; // a malformed percent sequence, typed or cut off
  }
}
