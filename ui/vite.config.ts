// SPDX-License-Identifier: GPL-2.0-only
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** First page's JavaScript, gzipped: the AWS SDK grows by itself, so the build holds the line. */
const SCRIPT_BUDGET = 350 * 1024;

/** Puts a .gz beside every asset (the server sends it as it is) and fails the build over the budget. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    enforce: "post",
    generateBundle(_options, bundle) {
      let scripts = 0;
      for (const file of Object.values(bundle)) {
        const content = file.type === "chunk" ? file.code : file.source;
        const source = gzipSync(content, { level: 9 });
        if (file.type === "chunk") scripts += source.length;
        if (file.fileName.startsWith("assets/")) {
          this.emitFile({ type: "asset", fileName: `${file.fileName}.gz`, source });
        }
      }
      if (scripts > SCRIPT_BUDGET) {
        this.error(`JavaScript is ${scripts} bytes gzipped; the budget is ${SCRIPT_BUDGET}`);
      }
    },
  };
}

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    outDir: "../ui-dist",
    emptyOutDir: true,
    target: "es2022",
    // No data: URIs and no inline module preload script: the policy allows files from this origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
  },
});
