// SPDX-License-Identifier: GPL-2.0-only
import { useMemo, useState } from "react";
import { formatBytes, formatCount } from "../logic/format";
import { fileName } from "../logic/path";
import { type UsedReference, usedReferences } from "../logic/references";
import { formatShare, hint, savings } from "../logic/savings";
import { Icon } from "../parts/Icon";
import type { StoredObject } from "../s3/own";
import { useBrowser } from "./context";
import styles from "./Versions.module.css";

/** Bars that fit beside each other and can still be told apart. */
const SHOWN = 60;

/** References that are listed without being asked for, and at all. */
const FEW = 4;
const MOST = 50;

/** The versions of one deltaspace, oldest first: how large each is, and what of it is stored. */
export function Versions({ objects, complete }: { objects: readonly StoredObject[]; complete: boolean }) {
  const { stats } = useBrowser();
  const [unfolded, setUnfolded] = useState(true);
  const suffixes = stats?.facts.delta_suffixes ?? [];
  const versions = useMemo(
    () => objects.filter(({ references }) => references !== undefined).toSorted((a, b) => a.modified - b.modified),
    [objects],
  );
  const why =
    complete && stats !== null
      ? hint(
          objects.map((one) => ({ ...one, references: one.references?.length ?? 0 })),
          suffixes,
        )
      : null;

  if (!versions.some(({ storage }) => storage === "delta")) {
    return why === null || objects.length > 1000 ? null : (
      <p className={styles.hint}>
        <Icon name="info" size={16} /> {why}
      </p>
    );
  }
  const shown = versions.slice(-SHOWN);
  const largest = Math.max(...shown.map(({ size }) => size), 1);
  const size = versions.reduce((sum, one) => sum + one.size, 0);
  const stored = versions.reduce((sum, one) => sum + one.stored, 0);
  const references = usedReferences(versions);

  return (
    <section className={styles.versions} aria-label="Versions">
      <button type="button" className={styles.head} aria-expanded={unfolded} onClick={() => setUnfolded(!unfolded)}>
        <strong>
          {formatCount(versions.length, "version", "versions")} in {formatBytes(stored)} instead of {formatBytes(size)}
        </strong>
        <span>
          {formatShare(savings(size, stored) ?? 0)} saved · {formatCount(references.length, "reference", "references")}
          {versions.length > SHOWN && ` · the latest ${SHOWN} are shown`}
        </span>
      </button>
      {unfolded && (
        <ol className={styles.chart} aria-label="Sizes">
          {shown.map((one) => (
            <li key={one.key}>
              <span className="visually-hidden">
                {`${fileName(one.key)}: ${formatBytes(one.size)}, stored in ${formatBytes(one.stored)}`}
              </span>
              <span
                className={styles.full}
                aria-hidden="true"
                title={describe(one)}
                style={{ height: share(one.size, largest) }}
              >
                <span
                  className={one.storage === "delta" ? styles.delta : styles.whole}
                  style={{ height: share(one.stored, one.size) }}
                />
              </span>
            </li>
          ))}
        </ol>
      )}
      {unfolded && <References references={references} />}
    </section>
  );
}

/** What the deltas are against; many are folded away first. */
function References({ references }: { references: readonly UsedReference[] }) {
  return (
    <details className={styles.references} open={references.length <= FEW}>
      <summary>What the deltas are against</summary>
      <ul aria-label="References">
        {references.slice(0, MOST).map(({ id, name, size, stored, users }) => (
          <li key={id} title={`Reference ${id}`}>
            <strong>{name || "a reference"}</strong> {formatBytes(size)}
            {stored < size && `, stored in ${formatBytes(stored)}`} · used by{" "}
            {formatCount(users, "version", "versions")}
          </li>
        ))}
      </ul>
      {references.length > MOST && <p>and {references.length - MOST} that fewer versions use</p>}
    </details>
  );
}

/** Never nothing: a delta of a few bytes is still to be seen. */
function share(part: number, whole: number): string {
  return `${Math.max(2, (100 * part) / Math.max(whole, 1))}%`;
}

function describe({ key, size, stored, storage }: StoredObject): string {
  const how = storage === "delta" ? "delta" : "whole, a reference";
  return `${fileName(key)}\n${formatBytes(size)}, stored in ${formatBytes(stored)} (${how})`;
}
