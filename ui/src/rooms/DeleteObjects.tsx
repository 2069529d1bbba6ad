// SPDX-License-Identifier: GPL-2.0-only
import { useState } from "react";
import { formatCount } from "../logic/format";
import { Dialog } from "../parts/Dialog";
import { readObjects } from "../s3/own";
import { DELETE_AT_ONCE, deleteObjects } from "../s3/store";
import { useBrowser } from "./context";
import styles from "./DeleteObjects.module.css";

interface Props {
  bucket: string;
  /** Keys, and prefixes of folders with their "/". */
  names: string[];
  onClose: () => void;
  onDeleted: (count: number) => void;
}

/** More objects than this, or a folder, take a word typed: there is no undo. */
const MANY = 10;
const SHOWN = 6;
const WORD = "delete";

/** Asks before objects go for good, and more firmly the more there are. */
export function DeleteObjects({ bucket, names, onClose, onDeleted }: Props) {
  const { store, explain } = useBrowser();
  const [typed, setTyped] = useState("");
  const [gone, setGone] = useState<number | null>(null);
  const folders = names.filter((name) => name.endsWith("/"));
  const firmly = folders.length > 0 || names.length > MANY;
  const title = names.length === 1 ? `Delete ${names[0]}?` : `Delete ${formatCount(names.length, "item", "items")}?`;

  async function remove() {
    let count = 0;
    setGone(0);
    const keys = names.filter((name) => !name.endsWith("/"));
    for (let at = 0; at < keys.length; at += DELETE_AT_ONCE) {
      const some = keys.slice(at, at + DELETE_AT_ONCE);
      await deleteObjects(store, bucket, some);
      count += some.length;
      setGone(count);
    }
    for (const folder of folders) {
      for (;;) {
        // Always from the beginning: what was there is gone, and what came meanwhile is found, too.
        const page = await readObjects(store, bucket, folder, "", null, new AbortController().signal);
        if (page.objects.length === 0) break;
        const inside = page.objects.map(({ key }) => key);
        await deleteObjects(store, bucket, inside);
        count += inside.length;
        setGone(count);
      }
    }
    onDeleted(count);
  }

  return (
    <Dialog
      title={title}
      action={names.length === 1 && folders.length === 0 ? "Delete object" : "Delete all"}
      danger
      ready={!firmly || typed.trim().toLowerCase() === WORD}
      onClose={onClose}
      onConfirm={remove}
      explain={explain}
    >
      <ul className={styles.names}>
        {names.slice(0, SHOWN).map((name) => (
          <li key={name}>{name.endsWith("/") ? `${name} and everything in it` : name}</li>
        ))}
        {names.length > SHOWN && <li>and {formatCount(names.length - SHOWN, "other", "others")}</li>}
      </ul>
      <p>There is no undo: older versions are not kept.</p>
      {firmly && (
        <label className="field">
          <span>To go on, type “{WORD}”</span>
          <input
            autoFocus
            autoComplete="off"
            autoCapitalize="off"
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        </label>
      )}
      {gone !== null && <p role="status">{formatCount(gone, "object", "objects")} deleted so far …</p>}
    </Dialog>
  );
}
