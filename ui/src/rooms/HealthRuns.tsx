// SPDX-License-Identifier: GPL-2.0-only
import { ending, progress, share, sorted, typed } from "../logic/runs";
import { CopyLine } from "../parts/CopyLine";
import type { Run, Stats } from "../s3/own";
import styles from "./Health.module.css";

/** Ended runs that are shown: the latest. */
const SHOWN = 12;

/** gc, verify and optimize: those that run, and how each ended when it last did. */
export function Runs({ stats: { runs, now } }: { stats: Stats }) {
  const { running, over } = sorted(runs ?? []);
  return (
    <section className={styles.card} aria-label="Maintenance">
      <h2>Maintenance</h2>
      {runs === null && <p className={styles.quiet}>The storage did not say what runs.</p>}
      {runs?.length === 0 && (
        <>
          <p className={styles.quiet}>Nothing has run yet. This looks for damage, on the host of the server:</p>
          <CopyLine text="deltaglider_proxy verify" />
        </>
      )}
      {running.length > 0 && (
        <ul className={styles.runs} aria-label="Running">
          {running.map((run) => (
            <li key={name(run)}>
              <strong>{typed(run)}</strong>
              <progress aria-label={typed(run)} value={share(run) ?? undefined} />
              <small>{progress(run, now * 1000)}</small>
            </li>
          ))}
        </ul>
      )}
      {over.length > 0 && (
        <ul className={styles.runs} aria-label="Last runs">
          {over.slice(0, SHOWN).map((run) => (
            <Ended key={name(run)} run={run} now={now * 1000} />
          ))}
        </ul>
      )}
      {over.length > SHOWN && <p className={styles.quiet}>and {over.length - SHOWN} before</p>}
    </section>
  );
}

function Ended({ run, now }: { run: Run; now: number }) {
  const { when, what, wrong } = ending(run, now);
  return (
    <li data-wrong={wrong}>
      <strong>{typed(run)}</strong>
      <span>{what}</span>
      <small>{when}</small>
    </li>
  );
}

function name({ bucket, command, state }: Run): string {
  return `${bucket} ${command} ${state}`;
}
