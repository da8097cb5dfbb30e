/** onnxruntime's own warnings about a model, which it can only write to stderr: collected from a child process at debug. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Log } from '../../src/runtime/index.ts'

const child = fileURLToPath(new URL('./warnings-child.js', import.meta.url))
/** A model that takes longer to open is not worth the wait for its warnings. */
const timeoutMs = 20_000
const mostLines = 200

/** Opens the model once more with warnings on, and logs each line. Never throws. */
export async function logWarnings(file: string, model: string, log: Log, signal: AbortSignal): Promise<void> {
  const output = await run(file, signal)
  for (const line of parseWarnings(output).slice(0, mostLines)) log.debug({ model, onnxruntime: line }, 'warning')
}

/** The lines of onnxruntime without colours, time and source position. */
export function parseWarnings(output: string): string[] {
  const escape = String.fromCharCode(27)
  return output
    .replaceAll(new RegExp(`${escape}\\[[0-9;]*m`, 'g'), '')
    .split('\n')
    .map((line) => /\[[WEF]:onnxruntime:[^\]]*\]\s*(.*)$/.exec(line)?.[1]?.replace(/^\S+:\d+ \S+?\] /, '') ?? '')
    .filter((line) => line !== '')
}

function run(file: string, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', signal, maxBuffer: 1_048_576 } as const
    execFile(process.execPath, [child, file], options, (_error, _stdout, stderr) => resolve(stderr))
  })
}
