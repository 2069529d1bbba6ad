// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState, useSyncExternalStore } from "react";
import { formatBytes, formatCount, formatDuration } from "../logic/format";
import { pace } from "../logic/pace";
import { fileName } from "../logic/path";
import { Icon } from "../parts/Icon";
import { isActive, isResumable, type Summary, summarize, type Transfer } from "../transfers/state";
import { useBrowser } from "./context";
import styles from "./Transfers.module.css";

/** Rows drawn of a long queue; those that move or failed come first. */
const SHOWN = 100;

/** Uploads of this visit, in the corner, as long as there are any. */
export function Transfers() {
  const { queue, announce } = useBrowser();
  const transfers = useSyncExternalStore(queue.subscribe, queue.snapshot);
  const [folded, setFolded] = useState(false);
  const summary = summarize(transfers);
  const { active, paused, done, failed, sent, size } = summary;
  const busy = active > 0;

  useEffect(() => {
    if (!busy && paused === 0) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [busy, paused]);

  useEffect(() => {
    if (busy || done + failed === 0) return;
    announce(
      failed === 0
        ? `${formatCount(done, "upload", "uploads")} finished`
        : `${failed} of ${done + failed} uploads failed`,
    );
  }, [busy, done, failed, announce]);

  if (transfers.length === 0) return null;
  const rows = transfers.length <= SHOWN ? transfers : transfers.toSorted((a, b) => rank(a) - rank(b)).slice(0, SHOWN);

  return (
    <section className={styles.transfers} aria-label="Uploads">
      <div className={styles.head}>
        <button type="button" className={styles.fold} aria-expanded={!folded} onClick={() => setFolded(!folded)}>
          <strong>{title(summary)}</strong>
          {(busy || paused > 0) && <span>{overall(summary)}</span>}
        </button>
        {busy && (
          <button
            type="button"
            className="button icon"
            aria-label="Pause all"
            title="Pause all"
            onClick={() => queue.pauseAll()}
          >
            <Icon name="pause" />
          </button>
        )}
        {!busy && (paused > 0 || failed > 0) && (
          <button
            type="button"
            className="button icon"
            aria-label="Resume all"
            title="Resume all"
            onClick={() => queue.resumeAll()}
          >
            <Icon name="play" />
          </button>
        )}
        {busy || paused > 0 ? (
          <button type="button" className="button small" onClick={() => queue.cancelAll()}>
            Cancel all
          </button>
        ) : (
          <button type="button" className="button icon" aria-label="Close" title="Close" onClick={() => queue.clear()}>
            <Icon name="close" />
          </button>
        )}
      </div>
      {(busy || paused > 0) && (
        <progress className={styles.total} max={Math.max(size, 1)} value={sent} aria-label="All uploads" />
      )}
      {!folded && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <ul tabIndex={0}>
          {rows.map((transfer) => (
            <TransferRow key={transfer.id} transfer={transfer} />
          ))}
          {rows.length < transfers.length && (
            <li className={styles.note}>and {formatCount(transfers.length - rows.length, "other", "others")}</li>
          )}
        </ul>
      )}
    </section>
  );
}

function title({ active, paused, done, failed }: Summary): string {
  if (active > 0) return `Uploading ${formatCount(active, "file", "files")}`;
  if (paused > 0) return `${formatCount(paused, "upload", "uploads")} paused`;
  if (failed > 0) return `${formatCount(failed, "upload", "uploads")} failed`;
  return done > 0 ? `${formatCount(done, "file", "files")} uploaded` : "Cancelled";
}

function overall({ sent, size, pace }: Summary): string {
  const left =
    pace === null || pace === 0 ? "" : ` · ${formatBytes(pace)}/s · ${formatDuration((size - sent) / pace)} left`;
  return `${formatBytes(sent)} of ${formatBytes(size)}${left}`;
}

function rank(transfer: Transfer): number {
  return { running: 0, failed: 1, stalled: 1, paused: 2, waiting: 3, done: 4, cancelled: 5 }[transfer.status];
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
            aria-label={`Pause ${name}`}
            title="Pause"
            onClick={() => queue.pause(id)}
          >
            <Icon name="pause" size={16} />
          </button>
        )}
        {isResumable(transfer) && (
          <button
            type="button"
            className="button small"
            aria-label={`${status === "paused" ? "Resume" : "Try again:"} ${name}`}
            onClick={() => queue.resume(id)}
          >
            {status === "paused" ? "Resume" : "Try again"}
          </button>
        )}
        {(isActive(transfer) || status === "paused") && (
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
      </div>
      {(status === "running" || status === "paused" || status === "stalled") && (
        <progress max={Math.max(size, 1)} value={sent} aria-label={name} />
      )}
      <span className={styles.note}>{note(transfer)}</span>
    </li>
  );
}

function note({ status, size, sent, samples, took, problem }: Transfer): string {
  switch (status) {
    case "waiting":
      return sent > 0 ? `${formatBytes(sent)} of ${formatBytes(size)} · waiting` : `${formatBytes(size)} · waiting`;
    case "running": {
      if (sent === size) return `${formatBytes(size)} · storing…`;
      const speed = pace(samples);
      const left =
        speed === null || speed === 0
          ? ""
          : ` · ${formatBytes(speed)}/s · ${formatDuration((size - sent) / speed)} left`;
      return `${formatBytes(sent)} of ${formatBytes(size)}${left}`;
    }
    case "paused":
      return `${formatBytes(sent)} of ${formatBytes(size)} · paused`;
    case "stalled":
      return `${problem ?? ""} Trying again by itself.`;
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
