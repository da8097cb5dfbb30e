/** `servable serve`: starts a server, prints what it serves, drains on a signal. */
import { InferenceError } from '../core/errors.ts'
import { readServeConfig, serveSettings, type ServeConfig } from '../server/config.ts'
import { createServer, type Server } from '../server/server.ts'
import { helpOf, keyName, variableName } from '../server/settings.ts'
import { renderBanner } from './banner.ts'

/** For what is still being written to a pipe. */
const exitMs = 100

export async function runServe(args: readonly string[]): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(help())
    return 0
  }
  const { values } = readServeConfig(args, process.env)
  if (values.models.length === 0) {
    throw new InferenceError(
      'invalid_argument',
      'nothing to serve: name a model file, a model directory or a directory of those, as in `servable serve ./models`; `servable demo` serves samples',
    )
  }
  return serveUntilSignal(values)
}

/** @returns the exit status: 0 after a drain, 1 where a model failed and that shall end the server */
export async function serveUntilSignal(config: ServeConfig): Promise<number> {
  const stopped = untilSignal()
  const server = await createServer(config)
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
  await server.close()
  server.log.info({}, 'stopped')
  setTimeout(() => process.exit(0), exitMs).unref() // a model's own timer or socket must not keep the process
  return 0
}

/** The first signal drains; a second Ctrl-C does not wait. There is a listener all the time: without one, a signal kills. */
function untilSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    let isFirst = true
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, (signal) => {
        if (isFirst) resolve(signal)
        else if (signal === 'SIGINT') process.exit(130)
        isFirst = false
      })
    }
  })
}

function help(): string {
  return [
    'Usage: servable serve [path…] [options]',
    '',
    'A path is a model file, a model directory (with or without numeric version folders) or a directory of those.',
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
