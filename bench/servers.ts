/** The servers that suites start: Servable by its own command, and the others by the programs of targets/. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer, type ServerProcess } from './child.ts'
import { meanModel } from './mean-model.ts'

/** Started in the repository root, as `npm run bench` does. */
const fixtures = join(process.cwd(), 'test', 'fixtures', 'models')

/** The file of a model that tests have as well. */
export function fixture(name: string): string {
  return join(fixtures, name, 'model.onnx')
}

const command = fileURLToPath(new URL('../src/cli/main.js', import.meta.url))

export interface ServableOptions {
  /** Beyond what is on by default. */
  readonly flags?: readonly string[]
  /** Core 0 where absent. */
  readonly core?: number | 'any'
  /** Options of its Node. */
  readonly node?: readonly string[]
}

/** `servable serve` on free ports. @param models their directories, or bare files */
export function startServable(models: readonly string[], options: ServableOptions = {}): Promise<ServerProcess> {
  const { flags = [], core, node = [] } = options
  const usual = ['--http-port', '0', '--grpc-port', '0', '--no-banner', '--log-format', 'json']
  return startServer([...node, command, 'serve', ...models, ...usual, ...flags], core)
}

type Target = 'bare' | 'fastify' | 'naive' | 'defined' | 'http2' | 'grpc-js'

/** A program of targets/. @param argument `echo`, `sink`, the file of a model, or an answer in hexadecimal digits */
export function startTarget(program: Target, argument = ''): Promise<ServerProcess> {
  return startServer([fileURLToPath(new URL(`./targets/${program}.js`, import.meta.url)), argument])
}

/** Where Servable chose to run a model. */
export async function placementOf(server: ServerProcess, model: string): Promise<string> {
  const response = await fetch(`${server.url}/v2/models/${model}`)
  const { parameters } = (await response.json()) as { parameters?: { placement?: string } } // our own metadata
  return `placement ${parameters?.placement ?? 'unknown'}`
}

/** Starts servers for the length of `work` and stops them, whatever becomes of it. */
export async function withServers<N extends string, T>(
  starts: Readonly<Record<N, () => Promise<ServerProcess>>>,
  work: (servers: Readonly<Record<N, ServerProcess>>) => Promise<T>,
): Promise<T> {
  const started: Partial<Record<N, ServerProcess>> = {}
  try {
    for (const name of Object.keys(starts) as N[]) started[name] = await starts[name]()
    return await work(started as Record<N, ServerProcess>) // all of them, by the loop above
  } finally {
    for (const server of Object.values<ServerProcess | undefined>(started)) await server?.stop()
  }
}

/** Writes the mean model of pictures for the length of `work`. @param work gets its directory, which is named `mean` */
export async function withMeanModel<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  const directory = join(folder, 'mean')
  try {
    mkdirSync(directory)
    writeFileSync(join(directory, 'model.onnx'), meanModel())
    return await work(directory)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
