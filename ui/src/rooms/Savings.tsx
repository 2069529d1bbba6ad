// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useState } from "react";
import { uploadLine } from "../logic/cli";
import { isAbort } from "../logic/explain";
import { formatBytes, formatCount } from "../logic/format";
import { folder, formatRoute } from "../logic/route";
import { formatShare } from "../logic/savings";
import { EmptyState } from "../parts/EmptyState";
import { Icon } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import { type Held, readSavings, type SavingsReport } from "../s3/own";
import room from "../styles/room.module.css";
import { useBrowser } from "./context";
import { Growth } from "./Growth";
import styles from "./Savings.module.css";

/** Deltaspaces shown until more are asked for. */
const SHOWN = 15;

/** What everything takes, and what it would take. */
export function Savings() {
  const { store, cli, explain } = useBrowser();
  const [report, setReport] = useState<SavingsReport | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [all, setAll] = useState(false);

  const read = useCallback(
    (signal: AbortSignal) => {
      setProblem(null);
      readSavings(store, signal).then(setReport, (thrown) => {
        if (!signal.aborted && !isAbort(thrown)) setProblem(explain(thrown));
      });
    },
    [store, explain],
  );

  useEffect(() => {
    const stop = new AbortController();
    read(stop.signal);
    return () => stop.abort();
  }, [read]);

  const spaces = report?.deltaspaces ?? [];
  return (
    <>
      <div className={room.head}>
        <div className={room.titles}>
          <h1>Savings</h1>
          <p>{report === null ? "Adding up…" : headline(report)}</p>
        </div>
        <div className={room.actions}>
          <button
            type="button"
            className="button icon"
            aria-label="Reload"
            title="Reload"
            onClick={() => read(new AbortController().signal)}
          >
            <Icon name="refresh" />
          </button>
        </div>
      </div>
      <div className={room.body}>
        {problem !== null && <Notice onRetry={() => read(new AbortController().signal)}>{problem}</Notice>}
        {report !== null && report.summary.objects === 0 && (
          <EmptyState
            icon="savings"
            title="Nothing is stored yet"
            line={uploadLine(cli, "default", "app/", "app-1.0.zip")}
          >
            Store two versions of something in one folder, and this page shows what the second one really takes.
          </EmptyState>
        )}
        {report !== null && report.summary.objects > 0 && (
          <>
            <Whole held={report.summary} />
            <Growth buckets={report.buckets} />
            <section className={styles.card} aria-label="Buckets">
              <h2>Buckets</h2>
              <ul className={styles.list}>
                {report.buckets.map((held) => (
                  <Line key={held.bucket} held={held} name={held.bucket} href={formatRoute(folder(held.bucket, ""))} />
                ))}
              </ul>
            </section>
            <section className={styles.card} aria-label="Deltaspaces">
              <h2>Deltaspaces</h2>
              <p className={styles.quiet}>
                A deltaspace is everything in one folder: its objects share references. The largest come first.
              </p>
              <ul className={styles.list}>
                {spaces.slice(0, all ? undefined : SHOWN).map((held) => (
                  <Line
                    key={`${held.bucket}/${held.deltaspace}`}
                    held={held}
                    name={`${held.bucket}/${held.deltaspace}`}
                    href={formatRoute(folder(held.bucket, held.deltaspace))}
                  />
                ))}
              </ul>
              {spaces.length > SHOWN && !all && (
                <button type="button" className="button small" onClick={() => setAll(true)}>
                  Show all {spaces.length}
                </button>
              )}
              {report.summary.deltaspaces > spaces.length && (
                <p className={styles.quiet}>
                  and {formatCount(report.summary.deltaspaces - spaces.length, "smaller one", "smaller ones")}
                </p>
              )}
            </section>
          </>
        )}
      </div>
    </>
  );
}

function headline({ summary, buckets }: SavingsReport): string {
  return [
    formatCount(summary.objects, "object", "objects"),
    formatCount(summary.deltaspaces, "deltaspace", "deltaspaces"),
    formatCount(buckets.length, "bucket", "buckets"),
    ...(summary.doubtful ? ["being counted anew"] : []),
  ].join(" · ");
}

function Whole({ held }: { held: Held }) {
  const { logical_bytes, stored_bytes, savings } = held;
  const share = logical_bytes === 0 ? 1 : Math.min(1, stored_bytes / logical_bytes);
  return (
    <section className={styles.whole} aria-label="All together">
      <p className={styles.big}>
        <strong>{savings === null ? "–" : formatShare(savings)}</strong>
        <span>{savings !== null && savings < 0 ? "more is stored than there is" : "saved, references counted in"}</span>
      </p>
      <div className={styles.bars} aria-hidden="true">
        <span className={styles.logical} />
        <span className={styles.stored} style={{ width: `${Math.max(0.5, share * 100)}%` }} />
      </div>
      <dl>
        <div>
          <dt>Logical</dt>
          <dd>{formatBytes(logical_bytes)}</dd>
        </div>
        <div>
          <dt>Stored</dt>
          <dd>{formatBytes(stored_bytes)}</dd>
        </div>
      </dl>
    </section>
  );
}

function Line({ held, name, href }: { held: Held; name: string; href: string }) {
  const { objects, logical_bytes, stored_bytes, savings } = held;
  const share = logical_bytes === 0 ? 1 : Math.min(1, stored_bytes / logical_bytes);
  return (
    <li>
      <a href={href}>{name}</a>
      <span className={styles.numbers}>
        {formatCount(objects, "object", "objects")} · {formatBytes(logical_bytes)} in {formatBytes(stored_bytes)}
      </span>
      <span className={styles.share}>
        {savings === null || savings <= 0 ? "nothing saved" : `${formatShare(savings)} saved`}
      </span>
      <span className={styles.bar} aria-hidden="true">
        <span style={{ width: `${Math.max(0.5, share * 100)}%` }} />
      </span>
      {savings !== null && savings <= 0.01 && objects > 1 && (
        <span className={styles.why}>The folder’s page says why nothing is gained here.</span>
      )}
    </li>
  );
}
