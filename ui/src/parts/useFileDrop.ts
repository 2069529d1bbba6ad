// SPDX-License-Identifier: GPL-2.0-only
import { useEffect, useRef, useState } from "react";

/** Takes files dropped anywhere on the page; true while some are dragged over it. */
export function useFileDrop(onDrop: (data: DataTransfer) => void): boolean {
  const [dragging, setDragging] = useState(false);
  const latest = useRef(onDrop);
  useEffect(() => {
    latest.current = onDrop;
  });

  useEffect(() => {
    const stop = new AbortController();
    const { signal } = stop;
    window.addEventListener(
      "dragenter",
      ({ dataTransfer }) => {
        if (dataTransfer?.types.includes("Files")) setDragging(true);
      },
      { signal },
    );
    window.addEventListener(
      "dragleave",
      ({ relatedTarget }) => {
        if (relatedTarget === null) setDragging(false); // out of the window, not from one element to the next
      },
      { signal },
    );
    window.addEventListener(
      "drop",
      ({ dataTransfer }) => {
        setDragging(false);
        if (dataTransfer?.types.includes("Files")) latest.current(dataTransfer);
      },
      { signal },
    );
    return () => stop.abort();
  }, []);

  return dragging;
}

/** For the page's whole life: a file dropped where nobody takes it must not replace the page. Returns the undoing. */
export function keepPageOnDrop(): () => void {
  const prevent = (event: DragEvent) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  };
  window.addEventListener("dragover", prevent);
  window.addEventListener("drop", prevent);
  return () => {
    window.removeEventListener("dragover", prevent);
    window.removeEventListener("drop", prevent);
  };
}
