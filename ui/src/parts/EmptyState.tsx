// SPDX-License-Identifier: GPL-2.0-only
import type { ReactNode } from "react";
import { CopyLine } from "./CopyLine";
import styles from "./EmptyState.module.css";
import { Icon, type IconName } from "./Icon";

interface Props {
  icon: IconName;
  title: string;
  children: ReactNode;
  /** The aws-cli line that does it. */
  line: string;
}

/** Where nothing is yet: what to do here, by hand or from a shell. */
export function EmptyState({ icon, title, children, line }: Props) {
  return (
    <div className={styles.empty}>
      <div className={styles.icon}>
        <Icon name={icon} size={32} />
      </div>
      <h2>{title}</h2>
      <p>{children}</p>
      <p className={styles.or}>or from a shell</p>
      <CopyLine text={line} />
    </div>
  );
}
