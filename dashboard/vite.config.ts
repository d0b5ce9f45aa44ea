// How the page is built: to `dist/`, hashed names, nothing inline (the server's content security policy allows no inline
// script and no inline style), nothing that is loaded from elsewhere. `npm run dev` serves it beside a server that already runs:
// `GADUGI_PAGE=http://127.0.0.1:PORT npm run dev`.

import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

const server = process.env.GADUGI_PAGE ?? 'http://127.0.0.1:7777';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // Browsers that know light-dark() themselves.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
  server: {
    proxy: { '/api': { target: server, ws: true, changeOrigin: true } },
  },
  // `browser`: the client build of Svelte, so that runes react in tests as they do in the page.
  resolve: process.env.VITEST ? { conditions: ['browser'] } : {},
  test: {
    include: ['src/**/*.test.ts'],
    environment: 'node',
  },
});
