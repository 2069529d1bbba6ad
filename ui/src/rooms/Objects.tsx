// SPDX-License-Identifier: GPL-2.0-only
import { type ChangeEvent, useDeferredValue, useMemo, useRef, useState } from "react";
import { uploadLine } from "../logic/cli";
import { type Folder, totals } from "../logic/folder";
import { formatBytes, formatCount } from "../logic/format";
import { BY_NAME, type Order, ordered, pressed } from "../logic/order";
import { folderPrefix } from "../logic/path";
import { folder as folderRoute } from "../logic/route";
import { formatShare } from "../logic/savings";
import { Dialog } from "../parts/Dialog";
import { EmptyState } from "../parts/EmptyState";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { useFileDrop } from "../parts/useFileDrop";
import room from "../styles/room.module.css";
import { dropped, picked } from "../transfers/dropped";
import type { Upload } from "../transfers/queue";
import { Breadcrumbs } from "./Breadcrumbs";
import { useBrowser } from "./context";
import { DeleteObjects } from "./DeleteObjects";
import styles from "./Objects.module.css";
import { ObjectTable } from "./ObjectTable";
import { Properties } from "./Properties";
import { SearchField } from "./SearchField";
import { type Listing, useListing } from "./useListing";
import { useSelection } from "./useSelection";
import { Versions } from "./Versions";

interface Props {
  bucket: string;
  prefix: string;
  /** The key whose properties are open. */
  open: string | null;
}

/** One folder: what is in it, and putting more into it. */
export function Objects({ bucket, prefix, open }: Props) {
  const { queue, cli, go, explain, announce } = useBrowser();
  const [search, setSearch] = useState("");
  const listing = useListing(bucket, prefix + search);
  const [order, setOrder] = useState<Order>(BY_NAME);
  const [asking, setAsking] = useState<"folder" | "delete" | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);

  const shown = useOrdered(useDeferredValue(listing.folder), order);
  const names = useMemo(() => (shown ? [...shown.folders, ...shown.objects.map(({ key }) => key)] : []), [shown]);
  const selection = useSelection(names);
  const empty = shown !== null && names.length === 0 && !listing.loading;

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
            <p aria-live="polite">{summary(listing)}</p>
          </div>
          <div className={room.actions}>
            <SearchField value={search} onChange={setSearch} />
            <button type="button" className="button icon" aria-label="Reload" title="Reload" onClick={listing.reload}>
              <Icon name="refresh" />
            </button>
            <button type="button" className="button" onClick={() => setAsking("folder")}>
              <Icon name="folderPlus" /> <span className={styles.wideOnly}>New folder</span>
              <span className={styles.narrowOnly}>Folder</span>
            </button>
            <button type="button" className="button primary" onClick={() => input.current!.click()}>
              <Icon name="upload" /> Upload
            </button>
            <input ref={input} type="file" multiple hidden onChange={pick} />
          </div>
          {selection.count > 0 && (
            <div className={styles.selected} role="toolbar" aria-label="Selection">
              <strong>{formatCount(selection.count, "item", "items")} selected</strong>
              <button type="button" className="button small" onClick={selection.clear}>
                Clear
              </button>
              <button type="button" className="button small danger" onClick={() => setAsking("delete")}>
                <Icon name="trash" size={16} /> Delete
              </button>
            </div>
          )}
        </div>
        <div className={room.body} aria-busy={listing.loading}>
          {problem !== null && <Notice>{problem}</Notice>}
          {listing.problem !== null && <Notice onRetry={listing.reload}>{listing.problem}</Notice>}
          {empty && search !== "" && (
            <p className={styles.nothing}>
              Nothing here begins with “{search}”. Names are compared letter by letter, capitals too.
            </p>
          )}
          {empty && search === "" && (
            <EmptyState
              icon="upload"
              title={prefix === "" ? "This bucket is empty" : "Nothing in this folder"}
              line={uploadLine(cli, bucket, prefix, "app-1.0.zip")}
            >
              Drop files or folders anywhere on this page, or press Upload. Put the versions of one artifact into the
              same folder: from the second on, only what changed is stored.
            </EmptyState>
          )}
          {shown !== null && names.length > 0 && (
            <>
              {search === "" && <Versions objects={shown.objects} complete={!listing.loading} />}
              <ObjectTable
                bucket={bucket}
                prefix={prefix}
                folder={shown}
                order={order}
                onOrder={(column) => setOrder(pressed(order, column))}
                selection={selection}
                open={open}
              />
            </>
          )}
          {listing.more !== null && (
            <button type="button" className={`button ${styles.more}`} onClick={listing.more}>
              Show more
            </button>
          )}
        </div>
      </section>
      {open !== null && (
        <Properties
          key={open}
          bucket={bucket}
          objectKey={open}
          onClose={() => go(folderRoute(bucket, prefix))}
          onChanged={listing.reload}
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
      {asking === "folder" && <NewFolder bucket={bucket} prefix={prefix} onClose={() => setAsking(null)} />}
      {asking === "delete" && (
        <DeleteObjects
          bucket={bucket}
          names={selection.chosen()}
          onClose={() => setAsking(null)}
          onDeleted={(count) => {
            selection.clear();
            announce(`${formatCount(count, "object", "objects")} deleted`);
            listing.reload();
          }}
        />
      )}
    </div>
  );
}

/** The folder in an order; the same value as long as both stay. */
function useOrdered(folder: Folder | null, order: Order): Folder | null {
  return useMemo(() => {
    if (folder === null) return null;
    const backwards = order.column === "name" && order.descending;
    return {
      folders: backwards ? folder.folders.toReversed() : folder.folders,
      objects: ordered(folder.objects, order),
    };
  }, [folder, order]);
}

function summary({ folder, loading }: Listing): string {
  if (folder === null) return loading ? "Loading…" : "";
  const { folders, objects } = folder;
  const counts = [
    ...(folders.length > 0 ? [formatCount(folders.length, "folder", "folders")] : []),
    ...(objects.length > 0 ? [formatCount(objects.length, "object", "objects")] : []),
  ];
  if (counts.length === 0) return loading ? "Loading…" : "Empty";
  const { size, stored, saved } = totals(objects);
  const bytes = size === 0 ? [] : [formatBytes(size)];
  const share = saved !== null && saved > 0 ? [`stored in ${formatBytes(stored)}, ${formatShare(saved)} less`] : [];
  return [...counts, ...bytes, ...share].join(" · ") + (loading ? " so far" : "");
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
      onConfirm={async () => go(folderRoute(bucket, target!))}
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
