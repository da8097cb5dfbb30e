/** A worker without a server: tells what a worker tells, and fails as its arguments say. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const [directory = '', ...faults] = process.argv.slice(2)

/** True where the fault is wanted and, for `fault:once`, has not happened yet. */
function happens(fault: string, worker: number): boolean {
  if (faults.includes(`${fault}:${worker}`)) return true
  if (!faults.includes(`${fault}:${worker}:once`)) return false
  const mark = join(directory, `${fault}-${worker}`)
  if (existsSync(mark)) return false
  writeFileSync(mark, '')
  return true
}

interface Message {
  readonly kind: string
  readonly id?: number
  readonly worker?: number
  readonly isFirst?: boolean
  readonly work?: { readonly kind: string }
}

const tell = (message: object): void => void process.send?.(message)
let worker = 0
let requests = 0

function serve(isFirst: boolean): void {
  const addresses = { http: 'http://127.0.0.1:1' }
  if (isFirst) tell({ kind: 'listening', addresses })
  tell({ kind: 'loaded', models: 1, isReady: !happens('unready', worker), hasFailed: false })
  if (isFirst) settle()
  else tell({ kind: 'ask', id: 1, work: { kind: 'join' } })
}

function settle(): void {
  setInterval(() => tell({ kind: 'beat' }), 10)
  requests = 3
  tell({ kind: 'snapshot', snapshot: snapshot() })
  if (happens('hang', worker)) setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 50)
  if (happens('crash', worker)) {
    setTimeout(() => {
      throw new Error('it was meant to crash')
    }, 50)
  }
}

function snapshot(): object {
  const metrics = `# TYPE c counter\nc{worker_pid="any"} ${requests}\n`
  return { metrics, statistics: [{ name: 'm', version: '1', inference_count: requests, memory_usage: [] }] }
}

process.on('message', (message: Message) => {
  switch (message.kind) {
    case 'start':
      worker = message.worker ?? 0
      if (happens('abort', worker)) process.abort()
      if (happens('refuse', worker)) {
        const failure = { code: 'failed_precondition', message: 'port 80 is taken' }
        process.send?.({ kind: 'failed', failure }, () => process.exit(1))
        return
      }
      serve(message.isFirst === true)
      return
    case 'answer':
      if (message.id === 1) {
        tell({ kind: 'listening', addresses: { http: 'http://127.0.0.1:1' } })
        settle()
      }
      return
    case 'ask':
      if (message.work?.kind === 'snapshot' && happens('mute', worker)) return
      if (happens(`fail-${message.work?.kind}`, worker)) {
        const failure = { code: 'failed_precondition', message: `worker ${worker} cannot` }
        tell({ kind: 'answer', id: message.id, outcome: { failure } })
        return
      }
      tell({
        kind: 'answer',
        id: message.id,
        outcome: { value: message.work?.kind === 'snapshot' ? snapshot() : worker },
      })
      return
    case 'leave':
      if (happens('stay', worker)) return
      process.exit(0)
  }
})
// Answers of the primary to what a test has this worker ask.
process.on('SIGUSR2', () => tell({ kind: 'ask', id: 2, work: { kind: 'control', verb: 'load', argument: 'm' } }))
process.on('SIGTERM', () => tell({ kind: 'retire' }))
tell({ kind: 'hello' })
