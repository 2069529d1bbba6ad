// SPDX-License-Identifier: GPL-2.0-only
import { type ReactNode, useEffect, useRef, useState } from "react";
import { downloadLine } from "../logic/cli";
import { isAbort } from "../logic/explain";
import { formatBytes, formatDate } from "../logic/format";
import { fileName, urlCanName } from "../logic/path";
import { CopyLine } from "../parts/CopyLine";
import { copyText } from "../parts/clipboard";
import { Dialog } from "../parts/Dialog";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { StorageBadge } from "../parts/StorageBadge";
import { deleteObject, describe, downloadLink, type ObjectDetails } from "../s3/store";
import { useBrowser } from "./context";
import styles from "./Properties.module.css";

/** A link made for a click is used at once; one that is copied lives for an hour. In seconds. */
const CLICK_LIFETIME = 60;
const COPIED_LIFETIME = 3600;

interface Props {
  bucket: string;
  objectKey: string;
  onClose: () => void;
  onDeleted: () => void;
}

/** One object: what it is, and what can be done with it. */
export function Properties({ bucket, objectKey, onClose, onDeleted }: Props) {
  const { store, cli, announce, explain } = useBrowser();
  const [details, setDetails] = useState<ObjectDetails | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [copied, setCopied] = useState(false);
  const [deleting, setDeleting] = useState(false);
  const heading = useRef<HTMLHeadingElement>(null);
  const reachable = urlCanName(objectKey);

  useEffect(() => {
    const opener = document.activeElement as HTMLElement | null;
    heading.current?.focus({ preventScroll: true });
    return () => {
      // The focus was in here and went with the panel; a click elsewhere has already put it where it belongs.
      if (document.activeElement === document.body) opener?.focus({ preventScroll: true });
    };
  }, []);

  useEffect(() => {
    if (!reachable) return;
    const stop = new AbortController();
    describe(store, bucket, objectKey, stop.signal).then(setDetails, (thrown) => {
      if (!stop.signal.aborted && !isAbort(thrown)) setProblem(explain(thrown));
    });
    return () => stop.abort();
  }, [store, bucket, objectKey, reachable, explain]);

  async function attempt(action: () => Promise<void>) {
    setProblem(null);
    try {
      await action();
    } catch (thrown) {
      setProblem(explain(thrown));
    }
  }

  async function download() {
    const link = document.createElement("a");
    link.href = await downloadLink(store, bucket, objectKey, CLICK_LIFETIME);
    link.download = fileName(objectKey);
    link.rel = "noopener noreferrer";
    link.click();
  }

  async function copyLink() {
    await copyText(await downloadLink(store, bucket, objectKey, COPIED_LIFETIME));
    setCopied(true);
    announce("Link copied");
  }

  async function remove() {
    await deleteObject(store, bucket, objectKey);
    announce(`${objectKey} deleted`);
    onDeleted();
    onClose();
  }

  return (
    <aside
      className={styles.panel}
      aria-label="Properties"
      onKeyDown={(event) => event.key === "Escape" && !deleting && onClose()}
    >
      <div className={styles.head}>
        <h2 ref={heading} tabIndex={-1}>
          {fileName(objectKey)}
        </h2>
        <button type="button" className="button icon" aria-label="Close" title="Close" onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className={styles.actions}>
        <button type="button" className="button primary" disabled={!reachable} onClick={() => void attempt(download)}>
          <Icon name="download" /> Download
        </button>
        <button
          type="button"
          className="button"
          disabled={!reachable}
          title={store.session.kind === "keys" ? "Whoever has the link can download for one hour" : undefined}
          onClick={() => void attempt(copyLink)}
        >
          <Icon name={copied ? "check" : "link"} /> {copied ? "Copied" : "Copy link"}
        </button>
        <button
          type="button"
          className="button icon"
          aria-label="Delete"
          title="Delete"
          onClick={() => setDeleting(true)}
        >
          <Icon name="trash" />
        </button>
      </div>
      {copied && store.session.kind === "keys" && (
        <p className="hint">Whoever has the link can download for one hour.</p>
      )}
      {problem !== null && <Notice>{problem}</Notice>}
      {!reachable && (
        <Notice>A browser can’t ask for a key with “.” or “..” between slashes. The aws-cli line below can.</Notice>
      )}
      {details !== null && <Details details={details} />}
      <h3>Key</h3>
      <p className={styles.key}>{objectKey}</p>
      <h3>From a shell</h3>
      <CopyLine text={downloadLine(cli, bucket, objectKey)} />
      {deleting && (
        <Dialog
          title={`Delete ${fileName(objectKey)}?`}
          action="Delete object"
          danger
          onClose={() => setDeleting(false)}
          onConfirm={remove}
          explain={explain}
        >
          <p>
            {bucket}/{objectKey} is gone for good: there is no older version to go back to.
          </p>
        </Dialog>
      )}
    </aside>
  );
}

const STORAGE_TEXT = {
  delta: "Only what differs from a reference of this folder is stored.",
  direct: "Stored whole.",
};

function Details({ details }: { details: ObjectDetails }) {
  const { size, modified, etag, contentType, storageType, metadata } = details;
  const pairs = Object.entries(metadata);
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
        <Fact name="ETag">
          <code>{etag}</code>
        </Fact>
      </dl>
      {pairs.length > 0 && (
        <>
          <h3>Metadata</h3>
          <dl className={styles.facts}>
            {pairs.map(([name, value]) => (
              <Fact key={name} name={name}>
                {value}
              </Fact>
            ))}
          </dl>
        </>
      )}
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
