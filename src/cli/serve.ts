/** `servable serve`: starts a server, prints what it serves, drains on a signal. */
import { InferenceError } from '../core/errors.ts'
import { usableCpus } from '../runtime/cpu.ts'
import { serveSettings, type ServeConfig } from '../server/config.ts'
import { readServeConfig } from '../server/read-config.ts'
import type { Server } from '../server/server.ts'
import { helpOf, keyName, variableName } from '../server/settings.ts'
import { growHeapFurther } from './heap.ts'
import { listenForStop, type StopSignals } from './stop-signals.ts'

/** For what is still being written to a pipe. */
const exitMs = 100

/** Connections that stay silent for so long are cut at the end: a client that has just got an answer has asked again by then. */
const quietMs = 300

export async function runServe(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help())
    return 0
  }
  return serveUntilSignal(args)
}

/**
 * @param args paths and flags
 * @returns the exit status: 0 after a drain, 1 where a model failed and that shall end the server
 */
export async function serveUntilSignal(args: readonly string[]): Promise<number> {
  const { values: config, warnings } = readServeConfig(args, process.env)
  const waits = config.control === 'on' || config.modelMeshApi !== undefined || config.modelMesh !== undefined
  if (config.models.length === 0 && config.file.length === 0 && !waits) {
    throw new InferenceError(
      'invalid_argument',
      'nothing to serve: name a model file, a model directory or a directory of those, as in `servable serve ./models`; `servable demo` serves samples, and --control on waits for `servable apply`, --model-mesh-api for registerModel, --model-mesh for a mesh',
    )
  }
  const workers = config.workers === 'auto' ? usableCpus() : config.workers
  const signals = listenForStop()
  if (workers === 1) return serveAlone(config, warnings, signals)
  const { serveByWorkers } = await import('./serve-group.ts')
  return serveByWorkers({ config, warnings }, workers, args, signals)
}

/** Imports the server only here: a primary of workers is small. */
async function serveAlone(config: ServeConfig, warnings: readonly string[], { stopped }: StopSignals): Promise<number> {
  const { createServer } = await import('../server/server.ts')
  const { renderBanner } = await import('./banner.ts')
  growHeapFurther()
  const stopping = new AbortController()
  void stopped.then(() => stopping.abort())
  const server = await createServer({ ...config, signal: stopping.signal }).catch((reason: unknown) => {
    if (!stopping.signal.aborted) throw reason
    return undefined // in the midst of downloads, which the next start takes up
  })
  if (server === undefined) return 0
  for (const warning of warnings) server.log.warn({}, warning)
  const addresses = await server.listen()
  server.log.info({ ...addresses }, 'listening')
  const statuses = await Promise.race([server.load(), stopped])
  if (typeof statuses === 'string') return drain(server, statuses)
  if (config.exitOnLoadFailure && statuses.some(({ state }) => state === 'failed')) {
    await server.close()
    return 1
  }
  if (config.banner) process.stdout.write(await renderBanner(server, addresses))
  server.log.info(
    { ready: server.dataPlane.isReady, models: statuses.length },
    server.dataPlane.isReady ? 'ready' : 'not ready',
  )
  return drain(server, await stopped)
}

async function drain(server: Server, signal: NodeJS.Signals): Promise<number> {
  server.log.info({ signal, drainSeconds: server.config.drainSeconds }, 'draining')
  await server.close({ quietMs })
  server.log.info({}, 'stopped')
  setTimeout(() => process.exit(0), exitMs).unref() // a model's own timer or socket must not keep the process
  return 0
}

function help(): string {
  return [
    'Usage: servable serve [path…] [-f manifest…] [options]',
    '',
    'A path is a model file, a model directory (with or without numeric version folders) or a directory of those.',
    "A manifest is a file or directory of KServe's YAML: it is served here, without a cluster.",
    '',
    settingsHelp(),
  ].join('\n')
}

/** Every setting, and where else it can be set. */
export function settingsHelp(): string {
  return [
    helpOf(serveSettings),
    '',
    `Every option is also an environment variable (${variableName('httpPort')}) and a key of servable.yaml (${keyName('httpPort')}).`,
    "KServe's spellings with underscores (--model_name, --http_port) are accepted.",
    '',
  ].join('\n')
}
