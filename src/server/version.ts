/** The version of this package, from its package.json. */
import { readFileSync } from 'node:fs'

export const version: string = readVersion()

function readVersion(): string {
  // dist/src/server/version.js lies three folders below the package.
  const parsed: unknown = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : '0.0.0'
}
