// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useState } from "react";
import { isAbort } from "../logic/explain";
import { formatBytes, formatCount, formatDuration } from "../logic/format";
import { hits, type Look, type Moment, moment } from "../logic/health";
import { total } from "../logic/numbers";
import { formatShare } from "../logic/savings";
import { formatLatency, formatRate } from "../logic/units";
import { Chart } from "../parts/Chart";
import { Notice } from "../parts/Notice";
import { readStats, type Stats } from "../s3/own";
import room from "../styles/room.module.css";
import { useBrowser } from "./context";
import styles from "./Health.module.css";
import { Failures } from "./HealthFailures";
import { Operations } from "./HealthOperations";
import { Optimizer } from "./HealthOptimizer";
import { Runs } from "./HealthRuns";

/** Milliseconds between two looks, and how many of them the charts show. */
const EVERY = 2000;
const SHOWN = 60;

/** How the server is: what it does now, how fast, and what went wrong. */
export function Health() {
  const { store, explain } = useBrowser();
  const [stats, setStats] = useState<Stats | null>(null);
  const [moments, setMoments] = useState<readonly (Moment | null)[]>([]);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last: Look | null = null;
    async function look() {
      try {
        const found = await readStats(store, stop.signal);
        const now: Look = { at: found.now, numbers: found.metrics };
        const since = last === null ? null : moment(last, now);
        if (last !== null) setMoments((before) => [...before, since].slice(-SHOWN));
        last = now;
        setStats(found);
        setProblem(null);
      } catch (thrown) {
        if (stop.signal.aborted || isAbort(thrown)) return;
        last = null;
        setMoments((before) => [...before, null].slice(-SHOWN));
        setProblem(explain(thrown));
      }
      timer = setTimeout(() => void look(), EVERY);
    }
    void look();
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [store, explain]);

  const latest = moments.at(-1) ?? null;
  return (
    <>
      <div className={room.head}>
        <div className={room.titles}>
          <h1>Health</h1>
          <p>{stats === null ? "Asking the server…" : headline(stats)}</p>
        </div>
      </div>
      <div className={room.body}>
        {problem !== null && <Notice>{problem} Asking again by itself.</Notice>}
        {stats !== null && (
          <>
            <ul className={styles.checks} aria-label="Checks">
              {stats.checks.map(({ name, verdict, facts }) => (
                <li key={name} data-verdict={verdict}>
                  <strong>{CHECKS[name] ?? name}</strong>
                  <span>{VERDICTS[verdict]}</span>
                  <small>{checked(facts)}</small>
                </li>
              ))}
            </ul>
            <div className={styles.tiles}>
              <Tile title="Requests" value={latest && formatRate(latest.requests)} note="a second">
                <Chart label="Requests a second" values={moments.map((one) => one?.requests ?? null)} room={SHOWN} />
              </Tile>
              <Tile
                title="Latency"
                value={latest && (latest.half === null ? "–" : formatLatency(latest.half))}
                note={latest?.most == null ? "half of them" : `half; 99 % within ${formatLatency(latest.most)}`}
              >
                <Chart label="Latency, 99 %" values={moments.map((one) => one?.most ?? null)} room={SHOWN} />
              </Tile>
              <Tile title="Failures" value={latest && formatRate(latest.failures)} note="a second">
                <Chart label="Failures a second" values={moments.map((one) => one?.failures ?? null)} room={SHOWN} />
              </Tile>
              <Tile
                title="Data"
                value={latest && `${formatBytes(latest.received + latest.sent)}/s`}
                note={latest === null ? "" : `${formatBytes(latest.received)}/s in, ${formatBytes(latest.sent)}/s out`}
              >
                <Chart
                  label="Bytes a second"
                  values={moments.map((one) => (one === null ? null : one.received + one.sent))}
                  room={SHOWN}
                />
              </Tile>
            </div>
            <div className={styles.columns}>
              <Operations numbers={stats.metrics} />
              <Inside stats={stats} />
            </div>
            <div className={styles.columns}>
              <Runs stats={stats} />
              <Optimizer stats={stats} />
            </div>
            <Failures stats={stats} />
          </>
        )}
      </div>
    </>
  );
}

const CHECKS: Record<string, string> = { backend: "Storage", disk: "Disk" };
const VERDICTS = { ok: "fine", low: "running low", failed: "failed" };

function headline({ version, backend, started, now, facts }: Stats): string {
  const workers = facts.workers === undefined ? [] : [formatCount(facts.workers, "worker", "workers")];
  return [`DeltaGlider Proxy ${version}`, backend, ...workers, `up ${formatDuration(now - started)}`].join(" · ");
}

function checked(facts: Record<string, number>): string {
  if (facts.free_bytes !== undefined && facts.size_bytes !== undefined)
    return `${formatBytes(facts.free_bytes)} of ${formatBytes(facts.size_bytes)} free`;
  return facts.milliseconds === undefined ? "" : `answers in ${facts.milliseconds} ms`;
}

interface TileProps {
  title: string;
  /** Null until there is something to tell. */
  value: string | null;
  note: string;
  children: React.ReactNode;
}

function Tile({ title, value, note, children }: TileProps) {
  return (
    <section className={styles.tile} aria-label={title}>
      <h2>{title}</h2>
      <p>
        <strong>{value ?? "…"}</strong> {value !== null && note}
      </p>
      {children}
    </section>
  );
}

function Inside({ stats: { metrics } }: { stats: Stats }) {
  const leased = total(metrics, "deltaglider_transfer_memory_leased_bytes");
  const limit = total(metrics, "deltaglider_transfer_memory_limit_bytes");
  const shares = [
    ["References mapped", hits(metrics, "deltaglider_reference_mapping_requests_total")],
    ["References indexed", hits(metrics, "deltaglider_reference_index_requests_total")],
    ["Manifests in listings", hits(metrics, "deltaglider_manifest_cache_requests_total")],
  ] as const;
  return (
    <section className={styles.card} aria-label="Caches and queues">
      <h2>Caches and queues</h2>
      <dl>
        {shares.map(([name, share]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{share === null ? "not used yet" : `${formatShare(share)} from memory`}</dd>
          </div>
        ))}
        <div>
          <dt>Memory for bodies</dt>
          <dd>
            {formatBytes(leased)} of {formatBytes(limit)}
          </dd>
        </div>
        <div>
          <dt>Waiting for memory</dt>
          <dd>{formatCount(total(metrics, "deltaglider_transfer_waiting_requests"), "request", "requests")}</dd>
        </div>
        <div>
          <dt>Codec</dt>
          <dd>
            {total(metrics, "deltaglider_codec_calls")} calls on{" "}
            {formatCount(total(metrics, "deltaglider_codec_threads"), "thread", "threads")}
          </dd>
        </div>
        <div>
          <dt>In flight</dt>
          <dd>
            {formatCount(Math.max(0, total(metrics, "deltaglider_requests_in_flight") - 1), "request", "requests")}
          </dd>
        </div>
      </dl>
    </section>
  );
}
