// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useRef, useState } from "react";
import { isAbort } from "../logic/explain";
import { listPage, type Page } from "../s3/store";
import { StoredEvent, useBrowser } from "./context";

export interface Listing {
  /** All pages read so far as one; null before the first. */
  page: Page | null;
  loading: boolean;
  problem: string | null;
  more: () => void;
  reload: () => void;
}

/** Uploads finish in bursts; the list is read again at most this often, in milliseconds. */
const RELOAD_EVERY = 700;

/** The folder `prefix`, page by page; read again when an upload stored something in it. */
export function useListing(bucket: string, prefix: string): Listing {
  const { store, stored, explain } = useBrowser();
  const [page, setPage] = useState<Page | null>(null);
  const [loading, setLoading] = useState(true);
  const [problem, setProblem] = useState<string | null>(null);
  const reading = useRef<AbortController | null>(null);

  const read = useCallback(
    async (known: Page | null) => {
      reading.current?.abort();
      const stop = new AbortController();
      reading.current = stop;
      setLoading(true);
      setProblem(null);
      try {
        const next = await listPage(store, bucket, prefix, known?.next ?? null, stop.signal);
        if (stop.signal.aborted) return;
        setPage(known === null ? next : joined(known, next));
      } catch (thrown) {
        if (stop.signal.aborted || isAbort(thrown)) return;
        setProblem(explain(thrown));
      }
      setLoading(false);
    },
    [store, bucket, prefix, explain],
  );

  useEffect(() => {
    void read(null);
    return () => reading.current?.abort();
  }, [read]);

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    function onStored(event: Event) {
      const { bucket: where, key } = event as StoredEvent;
      if (where !== bucket || !key.startsWith(prefix)) return;
      timer ??= setTimeout(() => {
        timer = undefined;
        void read(null);
      }, RELOAD_EVERY);
    }
    stored.addEventListener(StoredEvent.TYPE, onStored);
    return () => {
      clearTimeout(timer);
      stored.removeEventListener(StoredEvent.TYPE, onStored);
    };
  }, [stored, bucket, prefix, read]);

  return { page, loading, problem, more: () => void read(page), reload: () => void read(null) };
}

function joined(known: Page, next: Page): Page {
  return {
    folders: [...known.folders, ...next.folders],
    objects: [...known.objects, ...next.objects],
    next: next.next,
  };
}
