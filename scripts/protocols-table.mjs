/**
 * Writes the generated part of docs/protocols.md from test/conformance; a test tells when it is out of date.
 * Needs a build: npm run build && node scripts/protocols-table.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = process.env.SERVABLE_DIST ?? join(root, 'dist')
const { withTables } = await import(pathToFileURL(join(dist, 'test', 'conformance', 'document.js')).href)
const file = join(root, 'docs', 'protocols.md')
writeFileSync(file, withTables(readFileSync(file, 'utf8')))
