/** `servable rollout`: how far the newest revision of an InferenceService is, all traffic to it, or back to the one before. */
import { resourceNamed } from '../kserve/index.ts'
import { flag, integer, setting } from '../server/settings.ts'
import { pathOf, readAsked, shownName, type ControlClient, type ShownStatus } from './control-client.ts'
import { namespace, runControl, UsageError } from './control-command.ts'
import type { Io } from './infer.ts'

const usage = `Usage: servable rollout status | promote | undo isvc/NAME [options]

status    waits until the newest revision is ready, or has failed, and tells how the traffic is divided
promote   gives all of the traffic to the newest revision
undo      gives all of the traffic to the revision before`

const pollMs = 200

const settings = {
  namespace,
  watch: setting({
    parse: flag,
    default: true,
    value: '',
    isSwitch: true,
    description: 'wait; --no-watch to tell how it is now',
  }),
  timeout: setting({
    parse: integer({ min: 0, max: 86_400 }),
    default: 600,
    value: 'SECONDS',
    description: 'longest wait',
  }),
}

export function runRollout(args: readonly string[], io: Io): Promise<number> {
  return runControl(
    {
      name: 'rollout',
      usage,
      settings,
      run: async ({ values, positionals, client }) => {
        const [verb = '', ...rest] = positionals
        if (!['status', 'promote', 'undo'].includes(verb)) {
          throw new UsageError('what? servable rollout status | promote | undo isvc/NAME')
        }
        const name = nameOf(rest)
        const service = resourceNamed('isvc')
        if (service === undefined) return 1
        const path = pathOf(service, values.namespace, name)
        if (verb === 'status') return await waitFor(client, path, { name, ...values }, io)
        const { status } = (await client.call('POST', `${path}/${verb}`)).body
        io.stdout.write(`${shownName(service, name)} ${verb === 'promote' ? 'promoted' : 'rolled back'}\n`)
        if (status !== undefined) io.stdout.write(trafficOf(status))
        return 0
      },
    },
    args,
    io,
  )
}

/** `isvc/iris`, `isvc iris`, `iris` */
function nameOf(rest: readonly string[]): string {
  const [first] = rest
  if (first === undefined) throw new UsageError('of which InferenceService? isvc/NAME')
  if (rest.length === 1 && !first.includes('/')) return first
  const { kinds, names } = readAsked(rest)
  const [name] = names
  if (kinds[0]?.kind === 'InferenceService' && name !== undefined && names.length === 1) return name
  throw new UsageError('only an InferenceService has revisions: isvc/NAME')
}

interface Wait {
  readonly name: string
  readonly watch: boolean
  /** Seconds. */
  readonly timeout: number
}

async function waitFor(client: ControlClient, path: string, { name, watch, timeout }: Wait, io: Io): Promise<number> {
  const until = Date.now() + timeout * 1000
  let told = ''
  for (;;) {
    const { status = {} } = (await client.call('GET', `${path}/status`)).body
    const { transitionStatus, lastFailureInfo } = status.modelStatus ?? {}
    const latest = status.components?.predictor?.latestCreatedRevision ?? name
    if (transitionStatus === 'UpToDate') {
      io.stdout.write(`inferenceservice "${name}": ${latest} is ready\n${trafficOf(status)}`)
      return 0
    }
    if (transitionStatus === 'BlockedByFailedLoad') {
      io.stderr.write(
        `inferenceservice "${name}": ${latest} failed to load: ${lastFailureInfo?.message ?? ''}\n${trafficOf(status)}`,
      )
      return 1
    }
    const line = `Waiting for ${latest} (${status.modelStatus?.states?.targetModelState ?? 'unknown'})\n`
    if (line !== told) io.stdout.write(line)
    told = line
    if (!watch) return 0
    if (Date.now() > until) {
      io.stderr.write(`inferenceservice "${name}": ${latest} was not ready within ${timeout} s\n`)
      return 1
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}

function trafficOf({ components }: ShownStatus): string {
  const traffic = components?.predictor?.traffic ?? []
  return traffic
    .map(({ revisionName = '', percent = 0 }) => `  ${String(percent).padStart(3)} % ${revisionName}\n`)
    .join('')
}
