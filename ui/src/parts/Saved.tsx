// SPDX-License-Identifier: GPL-2.0-only
import { formatShare, savings } from "../logic/savings";
import styles from "./Saved.module.css";

/** What an object saves, as a number with a bar below it. */
export function Saved({ size, stored }: { size: number; stored: number }) {
  const share = savings(size, stored);
  if (share === null || share <= 0) return <span>–</span>;
  return (
    <span className={styles.saved}>
      {formatShare(share)}
      <span className={styles.bar} aria-hidden="true">
        <span style={{ width: `${share * 100}%` }} />
      </span>
    </span>
  );
}
