// SPDX-License-Identifier: GPL-2.0-only
// CRC-32 (the one of zip, gzip and x-amz-checksum-crc32), eight bytes a step: table k gives what a byte contributes
// when k more bytes follow it in the step. Some ten times faster than one byte a step, which hashing every upload needs.

/** The reversed generator polynomial (RFC 1952, section 8). */
const POLYNOMIAL = 0xedb88320;

const TABLE = makeTables();

function makeTables(): Uint32Array {
  const table = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[byte] = crc;
  }
  for (let i = 256; i < table.length; i++) {
    const before = table[i - 256]!;
    table[i] = (before >>> 8) ^ table[before & 0xff]!;
  }
  return table;
}

/** The CRC-32 of what was read so far (0 at the start) and then `data`, as an unsigned number. */
export function crc32(data: Uint8Array, sofar = 0): number {
  const t = TABLE;
  let crc = ~sofar;
  let i = 0;
  for (const end = data.length - 7; i < end; i += 8) {
    crc ^= data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    crc =
      t[1792 + (crc & 0xff)]! ^
      t[1536 + ((crc >>> 8) & 0xff)]! ^
      t[1280 + ((crc >>> 16) & 0xff)]! ^
      t[1024 + (crc >>> 24)]! ^
      t[768 + data[i + 4]!]! ^
      t[512 + data[i + 5]!]! ^
      t[256 + data[i + 6]!]! ^
      t[data[i + 7]!]!;
  }
  for (; i < data.length; i++) crc = (crc >>> 8) ^ t[(crc ^ data[i]!) & 0xff]!;
  return ~crc >>> 0;
}

/** As the x-amz-checksum-crc32 header wants it: the four bytes, most significant first, in base64. */
export function crc32Header(crc: number): string {
  return btoa(String.fromCharCode(crc >>> 24, (crc >>> 16) & 0xff, (crc >>> 8) & 0xff, crc & 0xff));
}
