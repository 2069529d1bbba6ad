// SPDX-License-Identifier: GPL-2.0-only
import { formatDate } from "../logic/format";
import { by } from "../logic/numbers";
import type { Stats } from "../s3/own";
import styles from "./Health.module.css";

/** What was refused or failed, by code, and the latest failures with the ids under which the log tells more. */
export function Failures({ stats }: { stats: Stats }) {
  const codes = by(stats.metrics, "deltaglider_errors_total", "code");
  return (
    <section className={styles.card} aria-label="Errors">
      <h2>Errors</h2>
      {codes.length > 0 && (
        <ul className={styles.codes} aria-label="By code">
          {codes.map(([code, count]) => (
            <li key={code}>
              {code} <strong>{count.toLocaleString("en")}</strong>
            </li>
          ))}
        </ul>
      )}
      {stats.failures === null && (
        <p className={styles.quiet}>Single failures are shown to keys that may see every bucket.</p>
      )}
      {stats.failures?.length === 0 && (
        <p className={styles.quiet}>No request has failed for the server’s own reasons.</p>
      )}
      {stats.failures !== null && stats.failures.length > 0 && (
        <ol className={styles.failures} aria-label="Latest failures">
          {stats.failures.map(({ time, request, operation, path, status, code }) => (
            <li key={request}>
              <span>
                <strong>{code ?? status}</strong> {operation} <span className={styles.path}>{path}</span>
              </span>
              <small>
                {formatDate(new Date(time * 1000))} · request <code>{request}</code>
              </small>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
