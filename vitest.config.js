/** Tests are compiled with the sources and run from dist/, so that what is tested is what ships, worker threads included. */
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    dir: 'dist',
    include: ['**/*.test.js'],
    exclude: ['**/node_modules/**'],
    server: { deps: { external: [/\/dist[^/]*\/(src|runtimes|bench|examples)\//] } },
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
})
