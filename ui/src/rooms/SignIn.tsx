// SPDX-License-Identifier: GPL-2.0-only
import { type FormEvent, type ReactNode, useState } from "react";
import { explain } from "../logic/explain";
import { Logo } from "../parts/Icon";
import { Notice } from "../parts/Notice";
import type { Session } from "../session/session";
import styles from "./SignIn.module.css";

interface Props {
  endpoint: string;
  /** Rejects when the server does not take the keys. */
  onSignIn: (session: Session, keep: boolean) => Promise<void>;
}

export function SignIn({ endpoint, onSignIn }: Props) {
  const [accessKeyId, setAccessKeyId] = useState("");
  const [secretAccessKey, setSecretAccessKey] = useState("");
  const [keep, setKeep] = useState(false);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      await onSignIn({ kind: "keys", accessKeyId: accessKeyId.trim(), secretAccessKey: secretAccessKey.trim() }, keep);
    } catch (thrown) {
      setProblem(explain(thrown, endpoint));
      setBusy(false);
    }
  }

  return (
    <Card>
      <h1>Sign in</h1>
      <p className={styles.endpoint}>
        to <code>{endpoint}</code>
      </p>
      <form onSubmit={submit}>
        <label className="field">
          <span>Access key</span>
          <input
            // biome-ignore lint/a11y/noAutofocus: the page is this form
            autoFocus
            required
            autoComplete="username"
            autoCapitalize="off"
            spellCheck={false}
            value={accessKeyId}
            onChange={(event) => setAccessKeyId(event.target.value)}
          />
        </label>
        <label className="field">
          <span>Secret key</span>
          <input
            required
            type="password"
            autoComplete="current-password"
            value={secretAccessKey}
            onChange={(event) => setSecretAccessKey(event.target.value)}
          />
        </label>
        <label className={styles.keep}>
          <input type="checkbox" checked={keep} onChange={(event) => setKeep(event.target.checked)} />
          <span>Stay signed in until this tab is closed</span>
        </label>
        {problem !== null && <Notice>{problem}</Notice>}
        <button type="submit" className="button primary" disabled={busy}>
          {busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
      <p className={styles.fine}>The secret never leaves this page: it signs each request here.</p>
    </Card>
  );
}

export function Unreachable({ problem, onRetry }: { problem: string; onRetry: () => void }) {
  return (
    <Card>
      <h1>No answer</h1>
      <Notice onRetry={onRetry}>{problem}</Notice>
    </Card>
  );
}

function Card({ children }: { children: ReactNode }) {
  return (
    <main className={styles.page}>
      <div className={styles.card}>
        <div className={styles.brand}>
          <Logo size={36} />
          DeltaGlider
        </div>
        {children}
      </div>
    </main>
  );
}
