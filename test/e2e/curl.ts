/** Runs printed `curl` lines as a user pastes them: by a shell and curl where both are there, else translated to fetch. */
import { execFile, spawnSync } from 'node:child_process'
import { promisify } from 'node:util'

const hasCurl = process.platform !== 'win32' && spawnSync('curl', ['--version']).status === 0

/** All `curl …` lines of a text, without their indentation. */
export function curlLinesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.startsWith('curl '))
}

/** @returns the body of the answer */
export async function runCurl(line: string): Promise<string> {
  if (!hasCurl) return fetchInstead(line)
  const { stdout } = await promisify(execFile)('sh', ['-c', line.replace(/^curl /, 'curl -sS --max-time 20 ')])
  return stdout
}

async function fetchInstead(line: string): Promise<string> {
  const words = wordsOf(line).slice(1)
  const url = words.find((word) => /^(https?:\/\/|localhost|127\.)/.test(word)) ?? ''
  const at = words.indexOf('-d')
  const response = await fetch(
    url.startsWith('http') ? url : `http://${url}`,
    at === -1 ? {} : { method: 'POST', body: words[at + 1] ?? '' },
  )
  return response.text()
}

/** The words of a POSIX shell line made of plain words and single-quoted ones. */
function wordsOf(line: string): readonly string[] {
  const words = line.match(/(?:'[^']*'|\\.|[^\s'\\])+/g) ?? []
  return words.map((word) =>
    word.replace(/'([^']*)'|\\(.)/g, (_all, quoted?: string, escaped?: string) => quoted ?? escaped ?? ''),
  )
}
