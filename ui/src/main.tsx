// SPDX-License-Identifier: GPL-2.0-only
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import "./styles/page.css";
import { App } from "./App";
import { s3Endpoint } from "./logic/endpoint";
import { restoreTheme } from "./logic/theme";

restoreTheme();
const endpoint = s3Endpoint(window.location);

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    {endpoint === null ? (
      <p>This page is on port 1, so there is no port below it where S3 could be.</p>
    ) : (
      <App endpoint={endpoint} />
    )}
  </StrictMode>,
);
