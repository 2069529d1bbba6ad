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

/** Objects that are looked at without being asked: all of them have to be listed. */
const WITHOUT_ASKING = 20_000;

/** Objects looked at in any case; beyond that the latest keys are left out. */
const MOST = 500_000;

/** How one bucket grew: what its objects are, and what they take, by the day they were stored. */
export function Growth({ buckets }: { buckets: readonly Held[] }) {
  const { store, explain } = useBrowser();
  const largest = buckets.toSorted((a, b) => b.logical_bytes - a.logical_bytes)[0]?.bucket ?? "";
  const [chosen, setChosen] = useState(largest);
  const [agreed, setAgreed] = useState(false);
  const objects = buckets.find(({ bucket }) => bucket === chosen)?.objects ?? 0;
  const reading = agreed || objects <= WITHOUT_ASKING;
  const [points, setPoints] = useState<Point[] | null>(null);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    setPoints(null);
    setProblem(null);
    if (!reading) return;
    const stop = new AbortController();
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
  }, [store, chosen, reading, explain]);

  return (
    <section className={styles.card} aria-label="Over time">
      <div className={styles.cardHead}>
        <h2>Over time</h2>
        <label>
          <span className="visually-hidden">Bucket</span>
          <select
            value={chosen}
            onChange={(event) => {
              setChosen(event.target.value);
              setAgreed(false);
            }}
          >
            {buckets.map(({ bucket }) => (
              <option key={bucket}>{bucket}</option>
            ))}
          </select>
        </label>
      </div>
      {problem !== null && <p className={styles.quiet}>{problem}</p>}
      {!reading && (
        <button type="button" className="button small" onClick={() => setAgreed(true)}>
          List all {objects.toLocaleString("en")} objects to show it
        </button>
      )}
      {reading && points === null && problem === null && (
        <p className={styles.quiet}>Reading every object of the bucket…</p>
      )}
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
