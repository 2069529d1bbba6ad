// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useRef, useState } from "react";
import { isAbort } from "../logic/explain";
import { added, EMPTY, type Folder, joined } from "../logic/folder";
import { readObjects } from "../s3/own";
import { StoredEvent, useBrowser } from "./context";

export interface Listing {
  /** What was read so far; null before the first page. */
  folder: Folder | null;
  /** Whether there is more to come. */
  loading: boolean;
  problem: string | null;
  /** Asks for what lies beyond the most that is read by itself; null when nothing does. */
  more: (() => void) | null;
  reload: () => void;
}

/** Entries that are read without being asked for. */
const ENOUGH = 250_000;

/** Milliseconds between two times that what was read is shown: every time draws the list. */
const SHOW_EVERY = 250;

/** Uploads finish in bursts; what they stored is looked up at most this often, in milliseconds. */
const LOOK_EVERY = 700;

/** More new objects than this at once are found by reading the folder again. */
const MANY = 20;

/** The objects of `bucket` whose names begin with `prefix`, folders rolled up, read page by page to the end. */
export function useListing(bucket: string, prefix: string): Listing {
  const { store, stored, explain } = useBrowser();
  const [folder, setFolder] = useState<Folder | null>(null);
  const [next, setNext] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  const reading = useRef<AbortController | null>(null);

  const read = useCallback(
    async (known: Folder | null, from: string | null) => {
      reading.current?.abort();
      const stop = new AbortController();
      reading.current = stop;
      setLoading(true);
      setProblem(null);
      let all = known ?? EMPTY;
      let after = from;
      let shown = 0;
      const most = all.objects.length + ENOUGH;
      try {
        do {
          const page = await readObjects(store, bucket, prefix, "/", after, stop.signal);
          if (stop.signal.aborted) return;
          all = joined(all, page);
          after = page.next;
          if (shown === 0 || performance.now() - shown > SHOW_EVERY) {
            setFolder(all);
            shown = performance.now();
          }
        } while (after !== null && all.objects.length < most);
        setFolder(all);
        setNext(after);
      } catch (thrown) {
        if (stop.signal.aborted || isAbort(thrown)) return;
        setFolder(all === EMPTY ? null : all);
        setProblem(explain(thrown));
      }
      setLoading(false);
    },
    [store, bucket, prefix, explain],
  );

  useEffect(() => {
    void read(null, null);
    return () => reading.current?.abort();
  }, [read]);

  useEffect(() => {
    const stop = new AbortController();
    const fresh = new Set<string>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    async function look() {
      timer = undefined;
      const keys = [...fresh];
      fresh.clear();
      if (keys.length > MANY) return void read(null, null);
      try {
        for (const key of keys) {
          const page = await readObjects(store, bucket, key, "", null, stop.signal);
          const object = page.objects.find((one) => one.key === key);
          if (object !== undefined) setFolder((known) => known && added(known, prefix, object));
        }
      } catch (thrown) {
        if (!isAbort(thrown)) setProblem(explain(thrown));
      }
    }
    function onStored(event: Event) {
      const { bucket: where, key } = event as StoredEvent;
      if (where !== bucket || !key.startsWith(prefix)) return;
      fresh.add(key);
      timer ??= setTimeout(() => void look(), LOOK_EVERY);
    }
    stored.addEventListener(StoredEvent.TYPE, onStored);
    return () => {
      clearTimeout(timer);
      stop.abort();
      stored.removeEventListener(StoredEvent.TYPE, onStored);
    };
  }, [store, stored, bucket, prefix, read, explain]);

  return {
    folder,
    loading,
    problem,
    more: !loading && next !== null ? () => void read(folder, next) : null,
    reload: () => void read(null, null),
  };
}
