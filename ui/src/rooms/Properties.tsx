// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useRef, useState } from "react";
import { downloadLine } from "../logic/cli";
import { isAbort } from "../logic/explain";
import { fileName, urlCanName } from "../logic/path";
import { CopyLine } from "../parts/CopyLine";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { describe, downloadLink, type ObjectDetails, readTags, writeMetadata, writeTags } from "../s3/store";
import { useBrowser } from "./context";
import { DeleteObjects } from "./DeleteObjects";
import { Details } from "./Details";
import { EditPairs } from "./EditPairs";
import { Preview } from "./Preview";
import styles from "./Properties.module.css";
import { ShareLink } from "./ShareLink";

/** Seconds: a link made for a click is used at once. */
const CLICK_LIFETIME = 60;

interface Props {
  bucket: string;
  objectKey: string;
  onClose: () => void;
  /** The object is gone, or another than it was. */
  onChanged: () => void;
}

type Tags = readonly (readonly [string, string])[];

/** One object: what it is, and what can be done with it. */
export function Properties({ bucket, objectKey, onClose, onChanged }: Props) {
  const { store, cli, announce, explain } = useBrowser();
  const [details, setDetails] = useState<ObjectDetails | null>(null);
  const [tags, setTags] = useState<Tags | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [asking, setAsking] = useState<"delete" | "link" | "tags" | "metadata" | null>(null);
  const [version, setVersion] = useState(0);
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
    const failed = (thrown: unknown) => {
      if (!stop.signal.aborted && !isAbort(thrown)) setProblem(explain(thrown));
    };
    describe(store, bucket, objectKey, stop.signal).then(setDetails, failed);
    readTags(store, bucket, objectKey, stop.signal).then(setTags, failed);
    return () => stop.abort();
  }, [store, bucket, objectKey, reachable, explain, version]);

  async function download() {
    setProblem(null);
    try {
      const link = document.createElement("a");
      link.href = await downloadLink(store, bucket, objectKey, CLICK_LIFETIME);
      link.download = fileName(objectKey);
      link.rel = "noopener noreferrer";
      link.click();
    } catch (thrown) {
      setProblem(explain(thrown));
    }
  }

  function changed(what: string) {
    announce(what);
    setVersion((before) => before + 1);
    onChanged();
  }

  const close = () => setAsking(null);
  return (
    <aside
      className={styles.panel}
      aria-label="Properties"
      onKeyDown={(event) => event.key === "Escape" && asking === null && onClose()}
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
        <button type="button" className="button primary" disabled={!reachable} onClick={() => void download()}>
          <Icon name="download" /> Download
        </button>
        <button type="button" className="button" disabled={!reachable} onClick={() => setAsking("link")}>
          <Icon name="link" /> Link
        </button>
        <button
          type="button"
          className="button icon"
          aria-label="Delete"
          title="Delete"
          onClick={() => setAsking("delete")}
        >
          <Icon name="trash" />
        </button>
      </div>
      {problem !== null && <Notice>{problem}</Notice>}
      {!reachable && (
        <Notice>A browser can’t ask for a key with “.” or “..” between slashes. The aws-cli line below can.</Notice>
      )}
      {details !== null && <Preview bucket={bucket} objectKey={objectKey} details={details} />}
      {details !== null && <Details details={details} />}
      {details !== null && (
        <Editable title="Metadata" pairs={Object.entries(details.metadata)} onEdit={() => setAsking("metadata")} />
      )}
      {tags !== null && <Editable title="Tags" pairs={tags} onEdit={() => setAsking("tags")} />}
      <h3>Key</h3>
      <p className={styles.key}>{objectKey}</p>
      <h3>From a shell</h3>
      <CopyLine text={downloadLine(cli, bucket, objectKey)} />
      {asking === "delete" && (
        <DeleteObjects
          bucket={bucket}
          names={[objectKey]}
          onClose={close}
          onDeleted={() => {
            announce(`${objectKey} deleted`);
            onChanged();
            onClose();
          }}
        />
      )}
      {asking === "link" && <ShareLink bucket={bucket} objectKey={objectKey} onClose={close} />}
      {asking === "tags" && tags !== null && (
        <EditPairs
          title="Tags"
          hint="At most ten. Names have up to 128 characters, values up to 256."
          most={10}
          pairs={tags}
          onClose={close}
          onSave={async (pairs) => {
            await writeTags(store, bucket, objectKey, pairs);
            changed("Tags saved");
          }}
        />
      )}
      {asking === "metadata" && details !== null && (
        <EditPairs
          title="Metadata"
          hint="Names lose their capitals. All together at most 2 KB."
          most={50}
          pairs={Object.entries(details.metadata)}
          onClose={close}
          onSave={async (pairs) => {
            await writeMetadata(store, bucket, objectKey, details.contentType, pairs, details.headers);
            changed("Metadata saved");
          }}
        />
      )}
    </aside>
  );
}

function Editable({ title, pairs, onEdit }: { title: string; pairs: Tags; onEdit: () => void }) {
  return (
    <section aria-label={title}>
      <div className={styles.editable}>
        <h3>{title}</h3>
        <button type="button" className="button small" aria-label={`Edit ${title.toLowerCase()}`} onClick={onEdit}>
          Edit
        </button>
      </div>
      {pairs.length === 0 ? (
        <p className={styles.none}>None</p>
      ) : (
        <dl className={styles.facts}>
          {pairs.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}
