// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { explain, isDenied } from "../logic/explain";
import { BUCKETS, folder, formatRoute, parseRoute, type Route } from "../logic/route";
import { Icon, Logo } from "../parts/Icon";
import { keepPageOnDrop } from "../parts/useFileDrop";
import { StorageTypes } from "../s3/storageTypes";
import { type Bucket, listBuckets, type Store } from "../s3/store";
import { TransferQueue } from "../transfers/queue";
import { Buckets } from "./Buckets";
import { type Browser, BrowserContext, StoredEvent } from "./context";
import { Objects } from "./Objects";
import styles from "./Shell.module.css";
import { Transfers } from "./Transfers";

/** The frame around the rooms: where we are, what there is, and what they share. */
export function Shell({ store, onSignOut }: { store: Store; onSignOut: () => void }) {
  const hash = useSyncExternalStore(subscribeToHash, () => window.location.hash);
  const route = useMemo(() => parseRoute(hash), [hash]);
  const [buckets, setBuckets] = useState<Bucket[] | null>(null);
  const [bucketsProblem, setBucketsProblem] = useState<string | null>(null);
  const [announcement, setAnnouncement] = useState("");

  const storageTypes = useMemo(() => new StorageTypes(store), [store]);
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
    storageTypes,
    queue,
    stored,
    announce: setAnnouncement,
    explain: explainHere,
  };

  return (
    <BrowserContext value={browser}>
      <div className={styles.shell}>
        <header className={styles.side}>
          <a className={styles.brand} href={formatRoute(BUCKETS)}>
            <Logo />
            DeltaGlider
          </a>
          <nav aria-label="Buckets" className={styles.nav}>
            <a href={formatRoute(BUCKETS)} aria-current={route.room === "buckets" ? "page" : undefined}>
              <Icon name="archive" /> <span>All buckets</span>
            </a>
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
            <span title="S3 endpoint">{store.endpoint}</span>
            {store.session.kind === "keys" ? (
              <button type="button" className="button small" onClick={onSignOut}>
                <Icon name="signOut" size={16} /> Sign out
              </button>
            ) : (
              <span>Open access, nobody signs in</span>
            )}
          </div>
        </header>
        <main className={styles.main}>
          {route.room === "buckets" ? (
            <Buckets />
          ) : (
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

function go(route: Route): void {
  window.location.hash = formatRoute(route);
}

function subscribeToHash(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

function titleOf(route: Route): string {
  if (route.room === "buckets") return "Buckets";
  return route.object ?? `${route.bucket}/${route.prefix}`;
}
