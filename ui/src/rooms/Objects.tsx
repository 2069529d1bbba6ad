// SPDX-License-Identifier: GPL-2.0-only
import { type ChangeEvent, useRef, useState } from "react";
import { uploadLine } from "../logic/cli";
import { formatBytes, formatCount } from "../logic/format";
import { crumbs, folderPrefix } from "../logic/path";
import { BUCKETS, folder, formatRoute } from "../logic/route";
import { Dialog } from "../parts/Dialog";
import { EmptyState } from "../parts/EmptyState";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { useFileDrop } from "../parts/useFileDrop";
import room from "../styles/room.module.css";
import { dropped, picked } from "../transfers/dropped";
import type { Upload } from "../transfers/queue";
import { useBrowser } from "./context";
import styles from "./Objects.module.css";
import { ObjectTable } from "./ObjectTable";
import { Properties } from "./Properties";
import { type Listing, useListing } from "./useListing";

interface Props {
  bucket: string;
  prefix: string;
  /** The key whose properties are open. */
  open: string | null;
}

/** One folder: what is in it, and putting more into it. */
export function Objects({ bucket, prefix, open }: Props) {
  const { queue, cli, go, explain } = useBrowser();
  const listing = useListing(bucket, prefix);
  const [naming, setNaming] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const { page } = listing;
  const empty = page !== null && page.folders.length + page.objects.length === 0;

  function pick(event: ChangeEvent<HTMLInputElement>) {
    start(picked(event.target.files!, prefix));
    event.target.value = ""; // so that picking the same file again is a change
  }

  const dragging = useFileDrop(async (data) => {
    try {
      start(await dropped(data, prefix));
    } catch (thrown) {
      setProblem(explain(thrown));
    }
  });

  function start(uploads: Upload[]) {
    setProblem(null);
    if (uploads.length > 0) queue.add(bucket, uploads);
  }

  return (
    <div className={styles.columns}>
      <section className={styles.list} aria-label="Objects">
        <div className={room.head}>
          <div className={room.titles}>
            <Breadcrumbs bucket={bucket} prefix={prefix} />
            <p>{summary(listing)}</p>
          </div>
          <div className={room.actions}>
            <button type="button" className="button icon" aria-label="Reload" title="Reload" onClick={listing.reload}>
              <Icon name="refresh" />
            </button>
            <button type="button" className="button" onClick={() => setNaming(true)}>
              <Icon name="folderPlus" /> <span className={styles.wideOnly}>New folder</span>
              <span className={styles.narrowOnly}>Folder</span>
            </button>
            <button type="button" className="button primary" onClick={() => input.current!.click()}>
              <Icon name="upload" /> Upload
            </button>
            <input ref={input} type="file" multiple hidden onChange={pick} />
          </div>
        </div>
        <div className={room.body} aria-busy={listing.loading}>
          {problem !== null && <Notice>{problem}</Notice>}
          {listing.problem !== null && <Notice onRetry={listing.reload}>{listing.problem}</Notice>}
          {empty && (
            <EmptyState
              icon="upload"
              title={prefix === "" ? "This bucket is empty" : "Nothing in this folder"}
              line={uploadLine(cli, bucket, prefix, "app-1.0.zip")}
            >
              Drop files or folders anywhere on this page, or press Upload. Put the versions of one artifact into the
              same folder: from the second on, only what changed is stored.
            </EmptyState>
          )}
          {page !== null && !empty && <ObjectTable bucket={bucket} prefix={prefix} page={page} open={open} />}
          {page !== null && page.next !== null && (
            <button type="button" className={`button ${styles.more}`} disabled={listing.loading} onClick={listing.more}>
              {listing.loading ? "Loading…" : "Show more"}
            </button>
          )}
        </div>
      </section>
      {open !== null && (
        <Properties
          key={open}
          bucket={bucket}
          objectKey={open}
          onClose={() => go(folder(bucket, prefix))}
          onDeleted={listing.reload}
        />
      )}
      {dragging && (
        <div className={styles.drop}>
          <div>
            <Icon name="upload" size={36} />
            Drop to upload to <strong>{prefix === "" ? bucket : `${bucket}/${prefix}`}</strong>
          </div>
        </div>
      )}
      {naming && <NewFolder bucket={bucket} prefix={prefix} onClose={() => setNaming(false)} />}
    </div>
  );
}

function summary({ page, loading }: Listing): string {
  if (page === null) return loading ? "Loading…" : "";
  const { folders, objects, next } = page;
  const counts = [
    ...(folders.length > 0 ? [formatCount(folders.length, "folder", "folders")] : []),
    ...(objects.length > 0 ? [formatCount(objects.length, "object", "objects")] : []),
  ];
  if (counts.length === 0) return "Empty";
  const size = objects.reduce((sum, one) => sum + one.size, 0);
  return [...counts, ...(size > 0 ? [formatBytes(size)] : [])].join(" · ") + (next === null ? "" : " so far");
}

function Breadcrumbs({ bucket, prefix }: { bucket: string; prefix: string }) {
  const steps = [
    { name: "Buckets", href: formatRoute(BUCKETS) },
    { name: bucket, href: formatRoute(folder(bucket, "")) },
    ...crumbs(prefix).map((crumb) => ({ name: crumb.name, href: formatRoute(folder(bucket, crumb.prefix)) })),
  ];
  return (
    <nav aria-label="Breadcrumb" className={styles.crumbs}>
      <ol>
        {steps.map(({ name, href }, i) => (
          <li key={href}>
            {i === steps.length - 1 ? <h1>{name || "(no name)"}</h1> : <a href={href}>{name || "(no name)"}</a>}
            {i < steps.length - 1 && <Icon name="chevron" size={14} />}
          </li>
        ))}
      </ol>
    </nav>
  );
}

function NewFolder({ bucket, prefix, onClose }: { bucket: string; prefix: string; onClose: () => void }) {
  const { go, explain } = useBrowser();
  const [name, setName] = useState("");
  const target = folderPrefix(prefix, name);
  return (
    <Dialog
      title="New folder"
      action="Open"
      ready={target !== null}
      onClose={onClose}
      onConfirm={async () => go(folder(bucket, target!))}
      explain={explain}
    >
      <label className="field">
        <span>Name</span>
        <input
          autoFocus
          autoComplete="off"
          spellCheck={false}
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <p className="hint">
        {target === null ? "A folder exists as long as an object is in it." : `${bucket}/${target}`}
      </p>
    </Dialog>
  );
}
