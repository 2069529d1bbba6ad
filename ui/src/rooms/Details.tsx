// SPDX-License-Identifier: GPL-2.0-only
import type { ReactNode } from "react";
import { formatBytes, formatDate } from "../logic/format";
import { StorageBadge } from "../parts/StorageBadge";
import type { ObjectDetails } from "../s3/store";
import styles from "./Properties.module.css";

const STORAGE_TEXT = {
  delta: "Only what differs from a reference of this folder is stored.",
  direct: "Stored whole.",
};

/** What is known about an object. */
export function Details({ details }: { details: ObjectDetails }) {
  const { size, modified, etag, contentType, storageType, headers } = details;
  return (
    <>
      {storageType !== null && (
        <p className={styles.storage}>
          <StorageBadge type={storageType} /> {STORAGE_TEXT[storageType]}
        </p>
      )}
      <dl className={styles.facts}>
        <Fact name="Size">
          {formatBytes(size)}
          {size >= 1024 && <small>{size.toLocaleString("en")} bytes</small>}
        </Fact>
        {modified !== null && <Fact name="Modified">{formatDate(modified)}</Fact>}
        <Fact name="Type">{contentType}</Fact>
        {headers.CacheControl && <Fact name="Cache-Control">{headers.CacheControl}</Fact>}
        {headers.ContentEncoding && <Fact name="Encoding">{headers.ContentEncoding}</Fact>}
        <Fact name="ETag">
          <code>{etag}</code>
        </Fact>
      </dl>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
