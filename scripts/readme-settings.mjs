/**
 * Writes the table of settings into README.md, from their declaration; `--check` only tells whether it is there.
 * Needs a build: npm run build && node scripts/readme-settings.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = process.env.SERVABLE_DIST ?? join(root, 'dist')
const load = (file) => import(pathToFileURL(join(dist, 'src', 'server', file)).href)
const { serveSettings } = await load('config.js')
const { flagName, keyName, variableName } = await load('settings.js')

const [begin, end] = ['<!-- settings -->', '<!-- /settings -->']
const file = join(root, 'README.md')
const readme = readFileSync(file, 'utf8')
const [from, to] = [readme.indexOf(begin), readme.indexOf(end)]
if (from === -1 || to < from) throw new Error(`README.md has no ${begin} … ${end}`)
const written = `${readme.slice(0, from)}${begin}\n\n${table()}\n\n${readme.slice(to)}`

if (!process.argv.includes('--check')) writeFileSync(file, written)
else if (written !== readme) {
  console.error(
    'README.md: the table of settings is not that of src/server/config.ts; run node scripts/readme-settings.mjs',
  )
  process.exitCode = 1
}

function table() {
  const rows = Object.entries(serveSettings).map(([name, setting]) => [
    `\`--${flagName(name)}\``,
    `\`${variableName(name)}\``,
    `\`${keyName(name)}\``,
    fallbackOf(setting),
    setting.description.replaceAll('|', String.raw`\|`),
  ])
  const all = [['flag', 'variable', 'key', 'default', 'meaning'], ...rows]
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`
  return [line(all[0]), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

function fallbackOf({ default: value, isSwitch }) {
  if (isSwitch) return value ? 'on' : 'off'
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return ''
  return `\`${value}\``
}
