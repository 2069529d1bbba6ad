// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { explain, isDenied } from "../logic/explain";
import { BUCKETS, folder, formatRoute, HEALTH, parseRoute, type Route, SAVINGS } from "../logic/route";
import { Icon, Logo } from "../parts/Icon";
import { keepPageOnDrop } from "../parts/useFileDrop";
import { readStats, type Stats } from "../s3/own";
import { type Bucket, listBuckets, type Store } from "../s3/store";
import { TransferQueue } from "../transfers/queue";
import { Buckets } from "./Buckets";
import { type Browser, BrowserContext, StoredEvent } from "./context";
import { Health } from "./Health";
import { Objects } from "./Objects";
import { Savings } from "./Savings";
import styles from "./Shell.module.css";
import { ThemeButton } from "./ThemeButton";
import { Transfers } from "./Transfers";

/** The frame around the rooms: where we are, what there is, and what they share. */
export function Shell({ store, onSignOut }: { store: Store; onSignOut: () => void }) {
  const hash = useSyncExternalStore(subscribeToHash, () => window.location.hash);
  const route = useMemo(() => parseRoute(hash), [hash]);
  const [buckets, setBuckets] = useState<Bucket[] | null>(null);
  const [bucketsProblem, setBucketsProblem] = useState<string | null>(null);
  const [announcement, setAnnouncement] = useState("");

  const [stats, setStats] = useState<Stats | null>(null);
  const stored = useMemo(() => new EventTarget(), []);
  const queue = useMemo(
    () => new TransferQueue(store, (bucket, key) => stored.dispatchEvent(new StoredEvent(bucket, key))),
    [store, stored],
  );
  const explainHere = useCallback(
    (thrown: unknown) => {
      const locked = store.session.kind === "open" && isDenied(thrown);
      return locked ? "The server asks for keys by now. Reload the page to sign in." : explain(thrown, store.endpoint);
    },
    [store],
  );

  const reloadBuckets = useCallback(async () => {
    try {
      setBuckets(await listBuckets(store));
      setBucketsProblem(null);
    } catch (thrown) {
      setBucketsProblem(explainHere(thrown));
    }
  }, [store, explainHere]);

  useEffect(() => void reloadBuckets(), [reloadBuckets]);

  useEffect(() => {
    const stop = new AbortController();
    // Nothing depends on it but hints; whoever needs more asks again and says what went wrong.
    readStats(store, stop.signal).then(setStats, () => undefined);
    return () => stop.abort();
  }, [store]);

  useEffect(keepPageOnDrop, []);

  useEffect(() => {
    document.title = `${titleOf(route)} · DeltaGlider`;
  }, [route]);

  const browser: Browser = {
    store,
    cli: { endpoint: store.endpoint, open: store.session.kind === "open" },
    route,
    go,
    buckets,
    bucketsProblem,
    reloadBuckets,
    stats,
    queue,
    stored,
    announce: setAnnouncement,
    explain: explainHere,
  };

  return (
    <BrowserContext value={browser}>
      <div className={styles.shell}>
        <header className={styles.side}>
          <a className={styles.brand} href={formatRoute(BUCKETS)} aria-label="DeltaGlider">
            <Logo />
            <span className={styles.brandName}>DeltaGlider</span>
          </a>
          <nav aria-label="Pages" className={styles.pages}>
            {PAGES.map(({ to, icon, text }) => (
              <a key={to.room} href={formatRoute(to)} aria-current={route.room === to.room ? "page" : undefined}>
                <Icon name={icon} /> <span>{text}</span>
              </a>
            ))}
          </nav>
          <nav aria-label="Buckets" className={styles.nav}>
            {buckets?.map(({ name }) => (
              <a
                key={name}
                href={formatRoute(folder(name, ""))}
                aria-current={route.room === "objects" && route.bucket === name ? "page" : undefined}
              >
                <Icon name="bucket" /> <span>{name}</span>
              </a>
            ))}
          </nav>
          <div className={styles.foot}>
            <ThemeButton />
            <span title="S3 endpoint">{store.endpoint}</span>
            {store.session.kind === "keys" ? (
              <button type="button" className="button small" aria-label="Sign out" onClick={onSignOut}>
                <Icon name="signOut" size={16} /> <span>Sign out</span>
              </button>
            ) : (
              <span>Open access, nobody signs in</span>
            )}
          </div>
        </header>
        <main className={styles.main}>
          {route.room === "buckets" && <Buckets />}
          {route.room === "savings" && <Savings />}
          {route.room === "health" && <Health />}
          {route.room === "objects" && (
            <Objects
              key={`${route.bucket}/${route.prefix}`}
              bucket={route.bucket}
              prefix={route.prefix}
              open={route.object}
            />
          )}
        </main>
        <Transfers />
        <div className="visually-hidden" role="status">
          {announcement}
        </div>
      </div>
    </BrowserContext>
  );
}

const PAGES = [
  { to: BUCKETS, icon: "archive", text: "Buckets" },
  { to: SAVINGS, icon: "savings", text: "Savings" },
  { to: HEALTH, icon: "health", text: "Health" },
] as const;

function go(route: Route): void {
  window.location.hash = formatRoute(route);
}

function subscribeToHash(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

function titleOf(route: Route): string {
  if (route.room !== "objects") return PAGES.find(({ to }) => to.room === route.room)!.text;
  return route.object ?? `${route.bucket}/${route.prefix}`;
}
