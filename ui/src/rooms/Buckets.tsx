// SPDX-License-Identifier: GPL-2.0-only
import { useState } from "react";
import { bucketNameProblem } from "../logic/bucketName";
import { makeBucketLine } from "../logic/cli";
import { formatCount, formatDate } from "../logic/format";
import { folder, formatRoute } from "../logic/route";
import { Dialog } from "../parts/Dialog";
import { EmptyState } from "../parts/EmptyState";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { moveByArrows } from "../parts/rows";
import { createBucket, deleteBucket } from "../s3/store";
import room from "../styles/room.module.css";
import table from "../styles/table.module.css";
import { useBrowser } from "./context";

/** All buckets; creating and deleting them. */
export function Buckets() {
  const { buckets, bucketsProblem, reloadBuckets, cli } = useBrowser();
  const [asking, setAsking] = useState<{ for: "create" } | { for: "delete"; bucket: string } | null>(null);
  const close = () => setAsking(null);

  return (
    <>
      <div className={room.head}>
        <div className={room.titles}>
          <h1>Buckets</h1>
          {buckets !== null && <p>{formatCount(buckets.length, "bucket", "buckets")}</p>}
        </div>
        <div className={room.actions}>
          <button type="button" className="button primary" onClick={() => setAsking({ for: "create" })}>
            <Icon name="plus" /> New bucket
          </button>
        </div>
      </div>
      <div className={room.body}>
        {bucketsProblem !== null && <Notice onRetry={reloadBuckets}>{bucketsProblem}</Notice>}
        {buckets?.length === 0 && (
          <EmptyState icon="bucket" title="No bucket yet" line={makeBucketLine(cli, "releases")}>
            Objects live in buckets. Create one to begin.
          </EmptyState>
        )}
        {buckets !== null && buckets.length > 0 && (
          <table className={table.table}>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col" className={table.wideOnly}>
                  Created
                </th>
                <th scope="col" className={table.tools}>
                  <span className="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody onKeyDown={moveByArrows}>
              {buckets.map(({ name, created }) => (
                <tr key={name}>
                  <td className={table.name}>
                    <a data-row href={formatRoute(folder(name, ""))}>
                      <Icon name="bucket" size={20} />
                      <span>{name}</span>
                    </a>
                  </td>
                  <td className={`${table.wideOnly} ${table.quiet}`}>
                    {created !== null && <time dateTime={created.toISOString()}>{formatDate(created)}</time>}
                  </td>
                  <td className={table.tools}>
                    <button
                      type="button"
                      className="button icon"
                      title="Delete"
                      aria-label={`Delete bucket ${name}`}
                      onClick={() => setAsking({ for: "delete", bucket: name })}
                    >
                      <Icon name="trash" />
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </div>
      {asking?.for === "create" && <CreateBucket onClose={close} />}
      {asking?.for === "delete" && <DeleteBucket bucket={asking.bucket} onClose={close} />}
    </>
  );
}

function CreateBucket({ onClose }: { onClose: () => void }) {
  const { store, reloadBuckets, announce, go, explain } = useBrowser();
  const [name, setName] = useState("");
  const problem = bucketNameProblem(name);

  async function create() {
    await createBucket(store, name);
    await reloadBuckets();
    announce(`Bucket ${name} created`);
    go(folder(name, ""));
  }

  return (
    <Dialog
      title="New bucket"
      action="Create"
      ready={problem === null}
      onClose={onClose}
      onConfirm={create}
      explain={explain}
    >
      <label className="field">
        <span>Name</span>
        <input
          autoFocus
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          placeholder="releases"
          aria-describedby="bucket-name-hint"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
      </label>
      <p className="hint" id="bucket-name-hint">
        {name === "" ? "Lower-case letters, digits, dots and hyphens." : problem}
      </p>
    </Dialog>
  );
}

function DeleteBucket({ bucket, onClose }: { bucket: string; onClose: () => void }) {
  const { store, reloadBuckets, announce, explain } = useBrowser();

  async function remove() {
    await deleteBucket(store, bucket);
    await reloadBuckets();
    announce(`Bucket ${bucket} deleted`);
  }

  return (
    <Dialog
      title={`Delete bucket ${bucket}?`}
      action="Delete bucket"
      danger
      onClose={onClose}
      onConfirm={remove}
      explain={explain}
    >
      <p>Only an empty bucket can be deleted. Its name is free again afterwards.</p>
    </Dialog>
  );
}
