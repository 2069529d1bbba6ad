// SPDX-License-Identifier: GPL-2.0-only
import { useState } from "react";
import { Dialog } from "../parts/Dialog";
import { Icon } from "../parts/Icon";
import type { Pairs } from "../s3/store";
import { useBrowser } from "./context";
import styles from "./EditPairs.module.css";

interface Props {
  title: string;
  hint: string;
  /** How many pairs there can be. */
  most: number;
  pairs: Pairs;
  onClose: () => void;
  onSave: (pairs: Pairs) => Promise<void>;
}

interface Row {
  id: number;
  name: string;
  value: string;
}

/** Names and values as a little table to write in. */
export function EditPairs({ title, hint, most, pairs, onClose, onSave }: Props) {
  const { explain } = useBrowser();
  const [rows, setRows] = useState<Row[]>(() =>
    [...pairs, ["", ""]].map(([name = "", value = ""], id) => ({ id, name, value })),
  );
  const filled = rows.filter(({ name, value }) => name.trim() !== "" || value !== "");
  const names = filled.map(({ name }) => name.trim());
  const problem = names.includes("")
    ? "A value needs a name."
    : new Set(names).size < names.length
      ? "A name is there twice."
      : null;

  function change(id: number, part: Partial<Row>) {
    setRows((before) => before.map((row) => (row.id === id ? { ...row, ...part } : row)));
  }

  return (
    <Dialog
      title={title}
      action="Save"
      ready={problem === null}
      onClose={onClose}
      onConfirm={() => onSave(filled.map(({ name, value }) => [name.trim(), value]))}
      explain={explain}
    >
      <div className={styles.rows}>
        {rows.map(({ id, name, value }, i) => (
          <div key={id} className={styles.row}>
            <input
              aria-label={`Name ${i + 1}`}
              placeholder="Name"
              autoComplete="off"
              spellCheck={false}
              value={name}
              onChange={(event) => change(id, { name: event.target.value })}
            />
            <input
              aria-label={`Value ${i + 1}`}
              placeholder="Value"
              autoComplete="off"
              spellCheck={false}
              value={value}
              onChange={(event) => change(id, { value: event.target.value })}
            />
            <button
              type="button"
              className="button icon"
              aria-label={`Remove ${name || `row ${i + 1}`}`}
              onClick={() => setRows((before) => before.filter((row) => row.id !== id))}
            >
              <Icon name="close" size={16} />
            </button>
          </div>
        ))}
      </div>
      <button
        type="button"
        className="button small"
        disabled={rows.length >= most}
        onClick={() =>
          setRows((before) => [...before, { id: Math.max(-1, ...before.map(({ id }) => id)) + 1, name: "", value: "" }])
        }
      >
        <Icon name="plus" size={16} /> Add
      </button>
      <p className="hint">{problem ?? hint}</p>
    </Dialog>
  );
}
