// SPDX-License-Identifier: GPL-2.0-only

/** What is wrong with a new bucket's name, in a sentence, or null. The server decides; this only says it sooner. */
export function bucketNameProblem(name: string): string | null {
  if (name.length < 3 || name.length > 63) return "A bucket name has 3 to 63 characters.";
  if (!/^[a-z0-9.-]+$/.test(name)) return "Use lower-case letters, digits, dots and hyphens.";
  if (!/^[a-z0-9].*[a-z0-9]$/.test(name)) return "Begin and end with a letter or a digit.";
  if (name.includes("..")) return "Two dots in a row are not allowed.";
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return "A bucket name can't look like an IP address.";
  return null;
}
