// SPDX-License-Identifier: GPL-2.0-only
// Values of metadata in headers: text beyond ASCII travels in RFC 2047's encoded words, as S3 has it ("Working with
// object metadata", Amazon S3 User Guide).

/** A value as a header carries it. */
export function encodeValue(text: string): string {
  if (/^[ -~]*$/.test(text) && !text.includes("=?")) return text;
  return `=?UTF-8?B?${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}?=`;
}

const WORD = /=\?utf-8\?([bq])\?([^?]*)\?=(?:[ \t]+(?==\?))?/gi;

/** The text of a header's value; what can't be decoded stays as it is. */
export function decodeValue(value: string): string {
  return value.replace(WORD, (word, kind: string, body: string) => {
    try {
      const bytes = kind.toLowerCase() === "b" ? atob(body) : unquoted(body);
      return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0)));
    } catch {
      return word;
    }
  });
}

/** RFC 2047, section 4.2: "_" is a space, "=" begins two hexadecimal digits. */
function unquoted(body: string): string {
  return body
    .replaceAll("_", " ")
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
