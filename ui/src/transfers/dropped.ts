// SPDX-License-Identifier: GPL-2.0-only
// Files and folders as they are dropped or picked, each with its path below what was dropped.

import type { Upload } from "./queue";

/** From a file input; with `webkitdirectory` each file knows its path. */
export function picked(files: FileList, prefix: string): Upload[] {
  return [...files].map((file) => ({ key: prefix + (file.webkitRelativePath || file.name), file }));
}

/** From a drop; folders are walked. Must be called while the event is handled, the list is gone afterwards. */
export async function dropped(data: DataTransfer, prefix: string): Promise<Upload[]> {
  const entries = [...data.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  return (await Promise.all(entries.map((entry) => walk(entry, prefix)))).flat();
}

async function walk(entry: FileSystemEntry, prefix: string): Promise<Upload[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ key: prefix + entry.name, file }];
  }
  const inside: Upload[] = [];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    // A reader gives at most some hundred entries a call, and an empty list at the end.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return inside;
    for (const child of some) inside.push(...(await walk(child, `${prefix}${entry.name}/`)));
  }
}
