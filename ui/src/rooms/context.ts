// SPDX-License-Identifier: GPL-2.0-only
// What every room may use: the connection, the way from one place to another, and what they tell each other.

import { createContext, useContext } from "react";
import type { CliTarget } from "../logic/cli";
import type { Route } from "../logic/route";
import type { Stats } from "../s3/own";
import type { Bucket, Store } from "../s3/store";
import type { TransferQueue } from "../transfers/queue";

export interface Browser {
  store: Store;
  cli: CliTarget;
  route: Route;
  go: (route: Route) => void;
  /** Null until the first answer. */
  buckets: Bucket[] | null;
  bucketsProblem: string | null;
  reloadBuckets: () => Promise<void>;
  /** As the server was when this page was opened; null until it said so. */
  stats: Stats | null;
  queue: TransferQueue;
  /** Fires a `StoredEvent` for every object an upload stored. */
  stored: EventTarget;
  /** Tells a screen reader. */
  announce: (text: string) => void;
  explain: (thrown: unknown) => string;
}

export class StoredEvent extends Event {
  static readonly TYPE = "stored";
  constructor(
    readonly bucket: string,
    readonly key: string,
  ) {
    super(StoredEvent.TYPE);
  }
}

export const BrowserContext = createContext<Browser | null>(null);

export function useBrowser(): Browser {
  const browser = useContext(BrowserContext);
  if (browser === null) throw new Error("useBrowser outside of Shell");
  return browser;
}
