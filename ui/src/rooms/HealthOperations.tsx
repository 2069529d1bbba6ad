// SPDX-License-Identifier: GPL-2.0-only
import { operations } from "../logic/health";
import type { Numbers } from "../logic/numbers";
import { formatLatency } from "../logic/units";
import styles from "./Health.module.css";

/** Every operation since the start. */
export function Operations({ numbers }: { numbers: Numbers }) {
  const rows = operations(numbers);
  return (
    <section className={styles.card} aria-label="Operations since the start">
      <h2>Operations since the start</h2>
      {rows.length === 0 ? (
        <p className={styles.quiet}>Nothing was asked yet.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <div className={styles.scroll} tabIndex={0}>
          <table>
            <thead>
              <tr>
                <th scope="col">Operation</th>
                <th scope="col">Requests</th>
                <th scope="col">Half within</th>
                <th scope="col">99 % within</th>
                <th scope="col">Failed</th>
              </tr>
            </thead>
            <tbody>
              {rows.map(({ operation, count, half, most, failed }) => (
                <tr key={operation}>
                  <th scope="row">{operation}</th>
                  <td>{count.toLocaleString("en")}</td>
                  <td>{half === null ? "–" : formatLatency(half)}</td>
                  <td>{most === null ? "–" : formatLatency(most)}</td>
                  <td>{failed === 0 ? "–" : failed.toLocaleString("en")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
