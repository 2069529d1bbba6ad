// SPDX-License-Identifier: GPL-2.0-only
import { type FormEvent, type ReactNode, useEffect, useId, useRef, useState } from "react";
import styles from "./Dialog.module.css";
import { Notice } from "./Notice";

interface Props {
  title: string;
  /** The confirming button's words: what it does, never "OK". */
  action: string;
  danger?: boolean;
  /** While false, confirming is not possible. */
  ready?: boolean;
  children: ReactNode;
  onClose: () => void;
  /** Does it. When it throws, the dialog stays open and says why. */
  onConfirm: () => Promise<void>;
  explain: (thrown: unknown) => string;
}

/** A modal question. The browser's own dialog element keeps the focus inside and gives it back. */
export function Dialog({ title, action, danger = false, ready = true, children, onClose, onConfirm, explain }: Props) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  useEffect(() => {
    const dialog = element.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);

  async function confirm(event: FormEvent) {
    event.preventDefault();
    if (busy || !ready) return;
    setBusy(true);
    setProblem(null);
    try {
      await onConfirm();
      onClose();
    } catch (thrown) {
      setProblem(explain(thrown));
      setBusy(false);
    }
  }

  return (
    <dialog
      ref={element}
      className={styles.dialog}
      aria-labelledby={heading}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <form onSubmit={confirm}>
        <h2 id={heading}>{title}</h2>
        {children}
        {problem !== null && <Notice>{problem}</Notice>}
        <div className={styles.actions}>
          <button type="button" className="button" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className={`button ${danger ? "danger" : "primary"}`} disabled={busy || !ready}>
            {action}
          </button>
        </div>
      </form>
    </dialog>
  );
}
