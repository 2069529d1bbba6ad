// SPDX-License-Identifier: GPL-2.0-only
import styles from "./Chart.module.css";

interface Props {
  /** What the line shows, for those who can't see it. */
  label: string;
  /** Oldest first; null leaves a gap. */
  values: readonly (number | null)[];
  /** How many values fill the whole width. */
  room: number;
}

const WIDTH = 300;
const HEIGHT = 64;

/** A line over time, from zero to the largest value. */
export function Chart({ label, values, room }: Props) {
  const most = Math.max(...values.map((value) => value ?? 0), 0);
  const first = Math.max(0, room - values.length);
  const points = values.map((value, i) =>
    value === null
      ? null
      : [((first + i) / (room - 1)) * WIDTH, HEIGHT - 2 - (most === 0 ? 0 : value / most) * (HEIGHT - 6)],
  );
  const runs = splitAtGaps(points);
  return (
    <svg
      className={styles.chart}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {runs.map((run) => {
        const line = run.map(([x, y]) => `${x!.toFixed(1)},${y!.toFixed(1)}`).join(" ");
        return (
          <g key={run[0]![0]}>
            <polygon points={`${run[0]![0]},${HEIGHT} ${line} ${run.at(-1)![0]},${HEIGHT}`} />
            <polyline points={line} />
          </g>
        );
      })}
    </svg>
  );
}

function splitAtGaps(points: readonly (number[] | null)[]): number[][][] {
  const runs: number[][][] = [];
  let run: number[][] = [];
  for (const point of [...points, null]) {
    if (point !== null) run.push(point);
    else if (run.length > 0) {
      runs.push(run);
      run = [];
    }
  }
  return runs;
}
