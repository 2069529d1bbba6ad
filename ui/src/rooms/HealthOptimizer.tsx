// SPDX-License-Identifier: GPL-2.0-only
import { formatBytes, formatCount } from "../logic/format";
import { total } from "../logic/numbers";
import type { Stats } from "../s3/own";
import styles from "./Health.module.css";

/** What the optimizer does, and has done since the start. */
export function Optimizer({ stats: { metrics } }: { stats: Stats }) {
  const of = (name: string) => total(metrics, `deltaglider_optimizer_${name}`);
  const failed = of("failed_objects_total");
  return (
    <section className={styles.card} aria-label="Optimizer">
      <h2>Optimizer</h2>
      <dl>
        <div>
          <dt>Now</dt>
          <dd>{of("running") > 0 ? "going through the storage" : "resting until its hours"}</dd>
        </div>
        <div>
          <dt>Since the start</dt>
          <dd>
            {formatCount(of("rounds_total"), "round", "rounds")},{" "}
            {formatCount(of("deltaspaces_total"), "deltaspace", "deltaspaces")} looked at
          </dd>
        </div>
        <div>
          <dt>Stored anew</dt>
          <dd>
            {formatCount(of("rewritten_objects_total"), "object", "objects")}, {formatBytes(of("saved_bytes_total"))}{" "}
            less
          </dd>
        </div>
        {failed > 0 && (
          <div>
            <dt>Left out</dt>
            <dd>{formatCount(failed, "object", "objects")}; the log says why</dd>
          </div>
        )}
      </dl>
    </section>
  );
}
