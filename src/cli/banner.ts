/** What `servable serve` prints once all models are loaded: addresses, a table of models, a curl line for each. */
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { TensorMetadata } from '../core/model.ts'
import { elementCount } from '../core/tensor.ts'
import type { ModelStatus, ServedMetadata } from '../repository/status.ts'
import type { Addresses } from '../server/addresses.ts'
import type { Server } from '../server/server.ts'
import { renderTable } from './table.ts'

/** A request that a model comes with, for people to try: `sample.json` in its directory. */
const sampleSchema = z.object({ protocol: z.enum(['v1', 'v2']), request: z.record(z.string(), z.unknown()) })
type Sample = z.infer<typeof sampleSchema>

/** Longer lines are not pasted from a terminal. */
const maxSampleBytes = 8192

export async function renderBanner(server: Server, addresses: Addresses): Promise<string> {
  const statuses = server.dataPlane.models()
  const parts = [`\nREST  ${addresses.http}   (docs ${addresses.http}/docs, metrics ${addresses.http}/metrics)`]
  if (addresses.grpc !== undefined) parts.push(`gRPC  ${addresses.grpc}`)
  if (addresses.mesh !== undefined) parts.push(`Mesh  ${addresses.mesh}`)
  parts.push(
    '',
    renderTable(statuses.map(rowOf), ['model', 'version', 'runtime', 'device', 'inputs → outputs', 'state', 'load']),
  )
  for (const status of statuses)
    if (status.state === 'failed') parts.push(`! ${status.ref.name}: ${status.reason ?? ''}`)
  const lines = await curlLines(server, addresses)
  if (lines.length > 0) parts.push('', 'Try:', ...lines)
  return `${parts.join('\n')}\n\n`
}

function rowOf(status: ModelStatus): readonly string[] {
  const { ref, state, runtime, metadata, loadMs } = status
  const device = metadata?.parameters?.['device']
  const signature =
    metadata === undefined
      ? ''
      : `${metadata.inputs.map(textOf).join(', ')} → ${metadata.outputs.map(textOf).join(', ')}`
  return [
    ref.name,
    ref.version,
    runtime,
    device === undefined ? '' : String(device),
    signature,
    state,
    loadMs === undefined ? '' : `${Math.round(loadMs)} ms`,
  ]
}

/** `X FP32[-1,4]` */
function textOf({ name, datatype, shape }: TensorMetadata): string {
  return `${name} ${datatype}[${shape.join(',')}]`
}

async function curlLines(server: Server, addresses: Addresses): Promise<string[]> {
  const roots = new Map(server.sources.map(({ ref, root }) => [ref.name, root]))
  const lines: string[] = []
  for (const { ref, metadata } of server.dataPlane.models()) {
    if (metadata === undefined || metadata.versions.at(-1) !== ref.version) continue
    const root = roots.get(ref.name)
    const sample = (root === undefined ? undefined : await readSample(root)) ?? zerosFor(metadata)
    if (sample !== undefined) lines.push(curl(addresses.http, ref.name, sample))
  }
  return lines
}

function curl(http: string, name: string, { protocol, request }: Sample): string {
  const model = encodeURIComponent(name)
  const path = protocol === 'v1' ? `/v1/models/${model}:predict` : `/v2/models/${model}/infer`
  return `  curl ${http}${path} -d '${JSON.stringify(request).replaceAll("'", String.raw`'\''`)}'`
}

async function readSample(root: string): Promise<Sample | undefined> {
  const file = join(root, 'sample.json')
  const stats = await stat(file).catch(() => undefined)
  if (stats === undefined || stats.size > maxSampleBytes) return undefined
  try {
    return sampleSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  } catch {
    return undefined // somebody else's file of that name
  }
}

/** A request of one row of zeros, where that is short and JSON can carry it. */
function zerosFor(metadata: ServedMetadata): Sample | undefined {
  const inputs: Record<string, unknown>[] = []
  for (const { name, datatype, shape } of metadata.inputs) {
    const concrete = shape.map((dimension) => (dimension === -1 ? 1 : dimension))
    if (datatype === 'FP16' || datatype === 'BF16' || elementCount(concrete) > 256) return undefined
    const zero = datatype === 'BYTES' ? '' : datatype === 'BOOL' ? false : 0
    inputs.push({ name, shape: concrete, datatype, data: new Array(elementCount(concrete)).fill(zero) })
  }
  return { protocol: 'v2', request: { inputs } }
}
