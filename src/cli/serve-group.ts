/** `servable serve --workers N`: the primary, which keeps N workers alive and serves nothing itself. */
import { fileURLToPath } from 'node:url'
import type { Log } from '../core/log.ts'
import { cpuSharersVariable } from '../runtime/cpu.ts'
import type { ServeConfig } from '../server/config.ts'
import type { ReadConfig } from '../server/read-config.ts'
import { openLog } from '../server/open-log.ts'
import { WorkerGroup } from '../server/workers/group.ts'
import type { Started } from '../server/workers/group-options.ts'
import { heapFlags, thisMachine } from '../server/workers/share.ts'
import type { StopSignals } from './stop-signals.ts'

/** How the primary marks its own lines, where workers write their number. */
const primaryNumber = 0

/**
 * @param args those of `servable serve`, for the workers
 * @returns the exit status: 0 after a drain, 1 where a model failed and that shall end the server
 * @throws InferenceError why the workers cannot serve
 */
export async function serveByWorkers(
  { config, warnings }: Pick<ReadConfig, 'warnings'> & { readonly config: ServeConfig },
  workers: number,
  args: readonly string[],
  signals: StopSignals,
): Promise<number> {
  const isPretty = config.logFormat === 'auto' ? process.stderr.isTTY === true : config.logFormat === 'pretty'
  const { log } = openLog(config, undefined, { worker: primaryNumber })
  for (const warning of warnings) log.warn({}, warning)
  const group = openGroup(config, workers, args, log, isPretty)
  signals.onSecondInterrupt(() => group.kill())
  const stop = async (signal: string): Promise<number> => {
    log.info({ signal, drainSeconds: config.drainSeconds }, 'draining')
    await group.stop()
    log.info({}, 'stopped')
    return 0
  }
  try {
    const started = await Promise.race([group.start(), signals.stopped])
    if (typeof started === 'string') return await stop(started)
    if (config.exitOnLoadFailure && started.hasFailed) {
      await group.stop()
      return 1
    }
    await announce(group, started, config, log)
    signals.onHangUp(() => void group.roll())
    return await stop(await Promise.race([signals.stopped, group.broken()]))
  } catch (reason) {
    group.kill()
    throw reason
  }
}

function openGroup(
  config: ServeConfig,
  workers: number,
  args: readonly string[],
  log: Log,
  isPretty: boolean,
): WorkerGroup {
  const { drainSeconds, httpPort, grpcPort } = config
  return new WorkerGroup({
    workers,
    log,
    drainSeconds,
    isPretty,
    ports: { httpPort, ...(grpcPort === undefined ? {} : { grpcPort }) },
    program: {
      exec: fileURLToPath(new URL('./serve-worker.js', import.meta.url)),
      args,
      execArgv: [...process.execArgv, ...heapFlags(workers, thisMachine())],
      environment: { [cpuSharersVariable]: String(workers) },
    },
  })
}

async function announce(group: WorkerGroup, started: Started, config: ServeConfig, log: Log): Promise<void> {
  if (config.banner) process.stdout.write(await group.banner())
  const { models, isReady } = started
  log.info({ ready: isReady, models }, isReady ? 'ready' : 'not ready')
}
