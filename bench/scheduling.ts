/** Suite `scheduling`: what batching, admission and several processes bring, beside onnxruntime-node alone and echo servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Report } from './report.ts'
import type { RoundOptions } from './rounds.ts'
import { doors, workers } from './scheduling/doors.ts'
import { joining } from './scheduling/joining.ts'
import { latency } from './scheduling/latency.ts'
import { createModels, type Models } from './scheduling/models.ts'
import { overload } from './scheduling/overload.ts'
import { throughput } from './scheduling/throughput.ts'

const onModels: Readonly<Record<string, (models: Models, options: RoundOptions) => Promise<readonly Report[]>>> = {
  throughput,
  latency,
  overload,
}
const onOthers: Readonly<Record<string, (options: RoundOptions) => Promise<readonly Report[]>>> = {
  doors,
  workers,
  joining,
}

/**
 * Gives each table as soon as it is there.
 *
 * @param only names of parts, with commas; all of them where it is empty
 * @throws Error where there is no such part, or a run was invalid
 */
export async function* run(options: RoundOptions, only = ''): AsyncGenerator<Report> {
  const known = [...Object.keys(onModels), ...Object.keys(onOthers)]
  const wanted = only === '' ? known : only.split(',')
  const unknown = wanted.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`no part '${unknown}': there are ${known.join(', ')}`)
  yield* runOnModels(wanted, options)
  for (const [name, part] of Object.entries(onOthers)) if (wanted.includes(name)) yield* await part(options)
}

async function* runOnModels(wanted: readonly string[], options: RoundOptions): AsyncGenerator<Report> {
  const parts = Object.entries(onModels).filter(([name]) => wanted.includes(name))
  if (parts.length === 0) return
  const folder = mkdtempSync(join(tmpdir(), 'servable-bench-'))
  try {
    const models = await createModels(folder)
    for (const [, part] of parts) yield* await part(models, options)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
