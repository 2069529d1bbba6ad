// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState, useSyncExternalStore } from "react";
import { formatBytes, formatCount, formatDuration } from "../logic/format";
import { fileName } from "../logic/path";
import { Icon } from "../parts/Icon";
import { isActive, summarize, type Transfer } from "../transfers/state";
import { useBrowser } from "./context";
import styles from "./Transfers.module.css";

/** Uploads of this visit, in the corner, as long as there are any. */
export function Transfers() {
  const { queue, announce } = useBrowser();
  const transfers = useSyncExternalStore(queue.subscribe, queue.snapshot);
  const [folded, setFolded] = useState(false);
  const { active, done, failed, sent, size } = summarize(transfers);
  const busy = active > 0;

  useEffect(() => {
    if (!busy) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [busy]);

  useEffect(() => {
    if (busy || done + failed === 0) return;
    announce(
      failed === 0
        ? `${formatCount(done, "upload", "uploads")} finished`
        : `${failed} of ${done + failed} uploads failed`,
    );
  }, [busy, done, failed, announce]);

  if (transfers.length === 0) return null;
  const title = busy
    ? `Uploading ${formatCount(active, "file", "files")}`
    : failed > 0
      ? `${formatCount(failed, "upload", "uploads")} failed`
      : done > 0
        ? `${formatCount(done, "file", "files")} uploaded`
        : "Cancelled";

  return (
    <section className={styles.transfers} aria-label="Uploads">
      <div className={styles.head}>
        <button type="button" className={styles.fold} aria-expanded={!folded} onClick={() => setFolded(!folded)}>
          <strong>{title}</strong>
          {busy && (
            <span>
              {formatBytes(sent)} of {formatBytes(size)}
            </span>
          )}
        </button>
        {busy ? (
          <button type="button" className="button small" onClick={() => queue.cancelAll()}>
            Cancel all
          </button>
        ) : (
          <button type="button" className="button icon" aria-label="Close" title="Close" onClick={() => queue.clear()}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {busy && <progress className={styles.total} max={Math.max(size, 1)} value={sent} aria-label="All uploads" />}
      {!folded && (
        <ul>
          {transfers.map((transfer) => (
            <TransferRow key={transfer.id} transfer={transfer} />
          ))}
        </ul>
      )}
    </section>
  );
}

function TransferRow({ transfer }: { transfer: Transfer }) {
  const { queue } = useBrowser();
  const { id, key, size, sent, status } = transfer;
  const name = fileName(key);
  return (
    <li data-status={status}>
      <div className={styles.row}>
        <span className={styles.name} title={key}>
          {name}
        </span>
        {status === "done" && (
          <span className={styles.done}>
            <Icon name="check" size={16} />
          </span>
        )}
        {isActive(transfer) && (
          <button
            type="button"
            className="button icon"
            aria-label={`Cancel ${name}`}
            title="Cancel"
            onClick={() => queue.cancel(id)}
          >
            <Icon name="close" size={16} />
          </button>
        )}
        {(status === "failed" || status === "cancelled") && (
          <button
            type="button"
            className="button small"
            aria-label={`Try ${name} again`}
            onClick={() => queue.retry(id)}
          >
            Try again
          </button>
        )}
      </div>
      {status === "running" && <progress max={Math.max(size, 1)} value={sent} aria-label={name} />}
      <span className={styles.note}>{note(transfer)}</span>
    </li>
  );
}

function note({ status, size, sent, began, took, problem }: Transfer): string {
  switch (status) {
    case "waiting":
      return `${formatBytes(size)} · waiting`;
    case "running": {
      if (sent === size) return `${formatBytes(size)} · storing…`;
      const seconds = (performance.now() - (began ?? 0)) / 1000;
      const speed = sent / Math.max(seconds, 0.001);
      const left =
        sent > 0 && seconds > 1 ? ` · ${formatBytes(speed)}/s · ${formatDuration((size - sent) / speed)} left` : "";
      return `${formatBytes(sent)} of ${formatBytes(size)}${left}`;
    }
    case "done":
      return took === null || took < 1000
        ? formatBytes(size)
        : `${formatBytes(size)} in ${formatDuration(took / 1000)}`;
    case "failed":
      return problem ?? "Failed";
    case "cancelled":
      return "Cancelled";
  }
}
