// SPDX-License-Identifier: GPL-2.0-only
// How listed objects are stored. A listing does not say, so each is asked for with a HEAD once it is in sight: few at
// a time, and never twice for the same version of an object.

import { urlCanName } from "../logic/path";
import { describe, type ListedObject, type StorageType, type Store } from "./store";

const AT_ONCE = 4;

interface Question {
  bucket: string;
  object: ListedObject;
  signal: AbortSignal;
  answer: (type: StorageType) => void;
}

export class StorageTypes {
  #known = new Map<string, StorageType>();
  #waiting: Question[] = [];
  #asking = 0;

  constructor(private readonly store: Store) {}

  /** What is known already; undefined when nothing is. */
  known(bucket: string, object: ListedObject): StorageType | undefined {
    return this.#known.get(versionOf(bucket, object));
  }

  /** Asks, unless `signal` fires first. A failure is no answer: the object's own page tells what is wrong. */
  ask(question: Question): void {
    if (!urlCanName(question.object.key)) return;
    this.#waiting.push(question);
    this.#askMore();
  }

  #askMore(): void {
    while (this.#asking < AT_ONCE && this.#waiting.length > 0) {
      const question = this.#waiting.shift()!;
      if (!question.signal.aborted) void this.#askOne(question);
    }
  }

  async #askOne({ bucket, object, signal, answer }: Question): Promise<void> {
    this.#asking += 1;
    try {
      const { storageType } = await describe(this.store, bucket, object.key, signal);
      this.#known.set(versionOf(bucket, object), storageType);
      answer(storageType);
    } catch {
      // deleted meanwhile, or cancelled
    } finally {
      this.#asking -= 1;
      this.#askMore();
    }
  }
}

function versionOf(bucket: string, { key, etag, modified }: ListedObject): string {
  return [bucket, key, etag, modified?.getTime()].join("\n");
}
