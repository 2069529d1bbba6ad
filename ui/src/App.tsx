// SPDX-License-Identifier: GPL-2.0-only
import { useCallback, useEffect, useState } from "react";
import { explain } from "./logic/explain";
import { Shell } from "./rooms/Shell";
import { SignIn, Unreachable } from "./rooms/SignIn";
import { connect, isOpen, listBuckets, type Store } from "./s3/store";
import { forget, keepForTab, kept, type Session } from "./session/session";

type Phase =
  | { is: "looking" }
  | { is: "unreachable"; problem: string }
  | { is: "signedOut" }
  | { is: "in"; store: Store };

/** Decides who somebody is to the server, and then shows the browser. */
export function App({ endpoint }: { endpoint: string }) {
  const [phase, setPhase] = useState<Phase>({ is: "looking" });

  const look = useCallback(async () => {
    const session = kept();
    if (session !== null) return setPhase({ is: "in", store: connect(endpoint, session) });
    try {
      const open = await isOpen(endpoint);
      setPhase(open ? { is: "in", store: connect(endpoint, { kind: "open" }) } : { is: "signedOut" });
    } catch (thrown) {
      setPhase({ is: "unreachable", problem: explain(thrown, endpoint) });
    }
  }, [endpoint]);

  useEffect(() => void look(), [look]);

  async function signIn(session: Session, keep: boolean) {
    const store = connect(endpoint, session);
    await listBuckets(store); // the keys are right when this is answered
    if (keep) keepForTab(session);
    setPhase({ is: "in", store });
  }

  function signOut() {
    forget();
    setPhase({ is: "signedOut" });
  }

  switch (phase.is) {
    case "looking":
      return null;
    case "unreachable":
      return <Unreachable problem={phase.problem} onRetry={look} />;
    case "signedOut":
      return <SignIn endpoint={endpoint} onSignIn={signIn} />;
    case "in":
      return <Shell store={phase.store} onSignOut={signOut} />;
  }
}
