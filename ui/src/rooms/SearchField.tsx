// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState } from "react";
import { Icon } from "../parts/Icon";
import styles from "./SearchField.module.css";

/** Milliseconds of rest before what was typed is asked for. */
const REST = 200;

/** Finds names by how they begin: that is what a listing can do without reading everything. */
export function SearchField({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  const [typed, setTyped] = useState(value);

  useEffect(() => {
    if (typed === value) return;
    const timer = setTimeout(() => onChange(typed), REST);
    return () => clearTimeout(timer);
  }, [typed, value, onChange]);

  return (
    <label className={styles.search}>
      <Icon name="search" size={16} />
      <span className="visually-hidden">Find names that begin with</span>
      <input
        type="search"
        placeholder="Begins with…"
        autoComplete="off"
        autoCapitalize="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
    </label>
  );
}
