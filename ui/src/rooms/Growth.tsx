// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState } from "react";
import { isAbort } from "../logic/explain";
import { formatBytes, formatDate } from "../logic/format";
import { growth, type Point, type Stored } from "../logic/growth";
import { type Held, readObjects } from "../s3/own";
import { useBrowser } from "./context";
import styles from "./Savings.module.css";

const STEPS = 60;
const WIDTH = 600;
const HEIGHT = 160;

/** Objects looked at; beyond that the latest keys are left out. */
const MOST = 200_000;

/** How one bucket grew: what its objects are, and what they take, by the day they were stored. */
export function Growth({ buckets }: { buckets: readonly Held[] }) {
  const { store, explain } = useBrowser();
  const largest = buckets.toSorted((a, b) => b.logical_bytes - a.logical_bytes)[0]?.bucket ?? "";
  const [chosen, setChosen] = useState(largest);
  const [points, setPoints] = useState<Point[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const stop = new AbortController();
    setPoints(null);
    setProblem(null);
    async function read() {
      const found: Stored[] = [];
      let after: string | null = null;
      do {
        const page = await readObjects(store, chosen, "", "", after, stop.signal);
        found.push(...page.objects);
        after = page.next;
      } while (after !== null && found.length < MOST);
      setPoints(growth(found, Date.now(), STEPS));
    }
    read().catch((thrown) => {
      if (!stop.signal.aborted && !isAbort(thrown)) setProblem(explain(thrown));
    });
    return () => stop.abort();
  }, [store, chosen, explain]);

  return (
    <section className={styles.card} aria-label="Over time">
      <div className={styles.cardHead}>
        <h2>Over time</h2>
        <label>
          <span className="visually-hidden">Bucket</span>
          <select value={chosen} onChange={(event) => setChosen(event.target.value)}>
            {buckets.map(({ bucket }) => (
              <option key={bucket}>{bucket}</option>
            ))}
          </select>
        </label>
      </div>
      {problem !== null && <p className={styles.quiet}>{problem}</p>}
      {points === null && problem === null && <p className={styles.quiet}>Reading every object of the bucket…</p>}
      {points !== null && points.length > 0 && <Areas points={points} />}
    </section>
  );
}

function Areas({ points }: { points: readonly Point[] }) {
  const last = points.at(-1)!;
  const most = Math.max(last.logical, last.stored, 1);
  const area = (value: (point: Point) => number) =>
    [
      `0,${HEIGHT}`,
      ...points.map(
        (point, i) => `${((i / STEPS) * WIDTH).toFixed(1)},${(HEIGHT * (1 - value(point) / most)).toFixed(1)}`,
      ),
      `${WIDTH},${HEIGHT}`,
    ].join(" ");
  return (
    <figure className={styles.figure}>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`From ${formatDate(new Date(points[0]!.at))} until now: ${formatBytes(last.logical)}, stored in ${formatBytes(last.stored)}`}
      >
        <polygon className={styles.areaLogical} points={area(({ logical }) => logical)} />
        <polygon className={styles.areaStored} points={area(({ stored }) => stored)} />
      </svg>
      <figcaption>
        <span>{formatDate(new Date(points[0]!.at))}</span>
        <span className={styles.legend}>
          <i className={styles.keyLogical} /> {formatBytes(last.logical)} logical
          <i className={styles.keyStored} /> {formatBytes(last.stored)} stored
        </span>
        <span>now</span>
      </figcaption>
    </figure>
  );
}
