// SPDX-License-Identifier: GPL-2.0-only

export type PreviewKind = "image" | "json" | "text";

/** Bytes shown of a text, and the largest image that is loaded to look at it. */
export const TEXT_LIMIT = 256 * 1024;
export const IMAGE_LIMIT = 20 * 1024 * 1024;

const IMAGES = /^image\/(png|jpeg|gif|webp|avif|bmp)$/;
const IMAGE_NAMES = /\.(png|jpe?g|gif|webp|avif|bmp)$/i;
const TEXT_TYPES = /^(text\/|application\/(xml|yaml|toml|x-sh|javascript|x-ndjson|sql)\b)/;
const TEXT_NAMES =
  /\.(txt|md|log|csv|tsv|xml|ya?ml|toml|ini|conf|cfg|sh|py|js|ts|css|html?|svg|sql|c|h|rs|go|java|sha256|asc|pem)$/i;

/** How an object can be looked at in the page, by its type and else its name; null when it can't. */
export function previewKind(key: string, contentType: string, size: number): PreviewKind | null {
  const type = contentType.split(";")[0]!.trim().toLowerCase();
  if (size === 0) return null;
  if (type === "application/json" || /\.json$/i.test(key)) return "json";
  if (IMAGES.test(type) || (type === "application/octet-stream" && IMAGE_NAMES.test(key)))
    return size <= IMAGE_LIMIT ? "image" : null;
  if (TEXT_TYPES.test(type) || type === "image/svg+xml" || TEXT_NAMES.test(key)) return "text";
  return null;
}

/** A text as it is shown: JSON indented if it is whole, else as it is; null for bytes that are no text. */
export function readable(bytes: Uint8Array, kind: "json" | "text", whole: boolean): string | null {
  // Cut off in the middle of a character, a text is still one.
  const text = new TextDecoder("utf-8", { fatal: false }).decode(bytes);
  if (text.includes("\0")) return null;
  if (kind === "text" || !whole) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
