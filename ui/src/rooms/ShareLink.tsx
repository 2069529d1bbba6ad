// SPDX-License-Identifier: GPL-2.0-only
import { useState } from "react";
import { LIFETIMES } from "../logic/lifetimes";
import { fileName } from "../logic/path";
import { copyText } from "../parts/clipboard";
import { Dialog } from "../parts/Dialog";
import { downloadLink } from "../s3/store";
import { useBrowser } from "./context";
import styles from "./ShareLink.module.css";

interface Props {
  bucket: string;
  objectKey: string;
  onClose: () => void;
}

/** Makes a link that lets whoever has it download, for as long as is chosen. */
export function ShareLink({ bucket, objectKey, onClose }: Props) {
  const { store, announce, explain } = useBrowser();
  const [seconds, setSeconds] = useState<number>(LIFETIMES[1].seconds);
  const open = store.session.kind === "open";

  async function copy() {
    await copyText(await downloadLink(store, bucket, objectKey, seconds));
    announce("Link copied");
  }

  return (
    <Dialog
      title={`Link to ${fileName(objectKey)}`}
      action="Copy link"
      onClose={onClose}
      onConfirm={copy}
      explain={explain}
    >
      {open ? (
        <p>This server is open to everyone who reaches it, so the link works without end.</p>
      ) : (
        <>
          <p>Whoever has the link can download this object, without keys, until it expires.</p>
          <fieldset className={styles.choices}>
            <legend>It expires after</legend>
            {LIFETIMES.map(({ seconds: each, text }) => (
              <label key={each}>
                <input type="radio" name="lifetime" checked={seconds === each} onChange={() => setSeconds(each)} />
                <span>{text}</span>
              </label>
            ))}
          </fieldset>
        </>
      )}
    </Dialog>
  );
}
