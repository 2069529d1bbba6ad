// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState } from "react";
import styles from "./CopyLine.module.css";
import { copyText } from "./clipboard";
import { Icon } from "./Icon";

/** A command line with a button that copies it. */
export function CopyLine({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);

  return (
    <div className={styles.line}>
      <code>{text}</code>
      <button
        type="button"
        className="button icon"
        aria-label={copied ? "Copied" : "Copy the command"}
        title="Copy"
        onClick={() =>
          void copyText(text).then(
            () => setCopied(true),
            () => setCopied(false),
          )
        }
      >
        <Icon name={copied ? "check" : "copy"} />
      </button>
    </div>
  );
}
