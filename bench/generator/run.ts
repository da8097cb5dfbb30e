/** Runs the generator in a process of its own, on core 1 where the machine has two. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { GrpcRequest } from '../grpc-message.ts'
import { pinned } from '../machine.ts'
import type { HttpRequest } from '../requests.ts'
import type { Generated } from './account.ts'
import type { GenerateOptions } from './generate.ts'

/** {@link GenerateOptions} as text, the body of the request in a file. */
export interface Asked extends Omit<GenerateOptions, 'target'> {
  readonly bodyFile: string
  readonly target:
    | { readonly kind: 'rest'; readonly url: string; readonly request: Omit<HttpRequest, 'body'> }
    | { readonly kind: 'grpc'; readonly address: string; readonly request: Omit<GrpcRequest, 'message'> }
}

/** Time beyond its own that a generator may take before it is stopped: its start, and its grace for answers. */
const limitMs = 30_000

const program = fileURLToPath(new URL('./program.js', import.meta.url))

/**
 * Loads a server.
 *
 * @throws Error where the generator ends without an account
 */
export async function runGenerator({ target, ...options }: GenerateOptions): Promise<Generated> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  try {
    const bodyFile = join(folder, 'body')
    writeFileSync(bodyFile, (target.kind === 'rest' ? target.request.body : target.request.message) ?? '')
    const asked: Asked = { ...options, bodyFile, target: withoutBody(target) }
    return await run([process.execPath, program, JSON.stringify(asked)], options.seconds * 1000 + limitMs)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function withoutBody(target: GenerateOptions['target']): Asked['target'] {
  if (target.kind === 'grpc') return { ...target, request: { path: target.request.path } }
  const { method, path, headers } = target.request
  return { ...target, request: { method, path, headers } }
}

async function run(command: readonly string[], milliseconds: number): Promise<Generated> {
  const [file = '', ...args] = pinned(1, command)
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const limit = setTimeout(() => child.kill('SIGKILL'), milliseconds)
  try {
    const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
    const last = output.trimEnd().split('\n').at(-1) ?? ''
    if (!last.startsWith('{')) throw new Error('invalid run: the load generator gave no account')
    // Printed by program.ts; JSON writes NaN as null.
    return JSON.parse(last, (_key, value: unknown) => (value === null ? NaN : value)) as Generated
  } finally {
    clearTimeout(limit)
  }
}
