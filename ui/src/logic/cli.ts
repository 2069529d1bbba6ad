// SPDX-License-Identifier: GPL-2.0-only
// aws-cli lines to copy, for a POSIX shell.

export interface CliTarget {
  endpoint: string;
  /** The proxy asks for no signature. */
  open: boolean;
}

function aws({ endpoint, open }: CliTarget, ...words: string[]): string {
  const options = ["--endpoint-url", endpoint, ...(open ? ["--no-sign-request"] : [])];
  return ["aws", ...options, ...words].map(quoted).join(" ");
}

/** Single quotes around everything a shell could read as more than text. */
function quoted(word: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function makeBucketLine(target: CliTarget, bucket: string): string {
  return aws(target, "s3", "mb", `s3://${bucket}`);
}

export function uploadLine(target: CliTarget, bucket: string, prefix: string, file: string): string {
  return aws(target, "s3", "cp", file, `s3://${bucket}/${prefix}`);
}

export function downloadLine(target: CliTarget, bucket: string, key: string): string {
  return aws(target, "s3api", "get-object", "--bucket", bucket, "--key", key, key.split("/").pop() || "object");
}
