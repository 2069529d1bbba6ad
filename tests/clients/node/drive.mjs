// SPDX-License-Identifier: GPL-2.0-only
// @aws-sdk/client-s3 with lib-storage's Upload, told what to do over stdin: see drivers/protocol.py.

import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import * as sdk from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

function make({ url, region, access_key, secret_key }) {
  const s3 = new sdk.S3Client({
    endpoint: url,
    region,
    forcePathStyle: true,
    ...(access_key === null
      ? { credentials: { accessKeyId: "", secretAccessKey: "" }, signer: { sign: async (request) => request } }
      : { credentials: { accessKeyId: access_key, secretAccessKey: secret_key } }),
  });
  const send = (name, input) => s3.send(new sdk[`${name}Command`](input));

  return {
    version: () => {
      const manifest = new URL("node_modules/@aws-sdk/client-s3/package.json", import.meta.url);
      return `@aws-sdk/client-s3 ${JSON.parse(readFileSync(manifest)).version}`;
    },
    make_bucket: async (Bucket) => void (await send("CreateBucket", { Bucket })),
    remove_bucket: async (Bucket) => void (await send("DeleteBucket", { Bucket })),
    buckets: async () => (await send("ListBuckets", {})).Buckets.map((each) => each.Name),
    // A stream of unknown length: one PUT in aws-chunked encoding if it is short, else an upload in parts.
    put: async (Bucket, Key, path) =>
      void (await new Upload({ client: s3, params: { Bucket, Key, Body: createReadStream(path) } }).done()),
    get: async (Bucket, Key, path) =>
      pipeline((await send("GetObject", { Bucket, Key })).Body, createWriteStream(path)),
    get_range: async (Bucket, Key, first, length, path) =>
      pipeline(
        (await send("GetObject", { Bucket, Key, Range: `bytes=${first}-${first + length - 1}` })).Body,
        createWriteStream(path),
      ),
    list_keys: async (Bucket, Prefix) => {
      const found = [];
      for await (const page of sdk.paginateListObjectsV2({ client: s3 }, { Bucket, Prefix }))
        found.push(...(page.Contents ?? []).map((each) => [each.Key, each.Size]));
      return found;
    },
    copy: async (Bucket, key, Key) => {
      const CopySource = `${Bucket}/${encodeURIComponent(key)}`;
      await send("CopyObject", { Bucket, Key, CopySource });
    },
    delete: async (Bucket, keys) => {
      const Objects = keys.map((Key) => ({ Key }));
      const done = await send("DeleteObjects", { Bucket, Delete: { Objects } });
      if (done.Errors?.length) throw new Error(JSON.stringify(done.Errors));
    },
    presign_get: (Bucket, Key) => getSignedUrl(s3, new sdk.GetObjectCommand({ Bucket, Key })),
    presign_put: (Bucket, Key) => getSignedUrl(s3, new sdk.PutObjectCommand({ Bucket, Key })),
    presign_form: async (Bucket, Key) => {
      const { url: to, fields } = await createPresignedPost(s3, { Bucket, Key });
      return [to, fields];
    },
  };
}

let client = null;
for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  let answer;
  try {
    if (client === null) {
      client = make(order);
      answer = { ok: Object.keys(client) };
    } else {
      answer = { ok: (await client[order.do](...order.with)) ?? null };
    }
  } catch (error) {
    answer = { error: `${error.stack}\n${JSON.stringify(error)}` };
  }
  console.log(JSON.stringify(answer));
}
