/** A model that is replaced by its next version again and again, under traffic. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { message, modelOf, nested, node, text, value, weights } from '../onnx-file.ts'
import { round, type Report } from '../report.ts'
import { startServable } from '../servers.ts'
import { runClients } from './clients.ts'
import { quieten, withFolder } from './folder.ts'

const count = 200
const clients = 8
const body = JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [1] }] })

export function reloads(): Promise<Report> {
  return withFolder(async (folder) => {
    const directory = join(folder, 'version')
    mkdirSync(directory)
    writeVersion(directory, 1)
    const server = await startServable([folder])
    try {
      await quieten(server.url)
      return await measure(server.url, directory)
    } finally {
      await server.stop()
    }
  })
}

async function measure(url: string, directory: string): Promise<Report> {
  /** Moments at which a version was unloaded: from then on it must not answer. */
  const unloadedAt: number[] = []
  let [isOn, requests, failed, stale, mixed] = [true, 0, 0, 0, 0]
  let longestMs = 0
  const running = runClients(url, {
    clients,
    isOn: () => isOn,
    next: () => '/v2/models/version/infer',
    body,
    answered: ({ status, text: answer, sentMs, ms }) => {
      requests += 1
      longestMs = Math.max(longestMs, ms)
      if (status !== 200) {
        failed += 1
        return
      }
      const { version, computed } = versionOf(answer)
      if (version !== computed) mixed += 1
      if (sentMs > (unloadedAt[version] ?? Infinity)) stale += 1
    },
  })
  const started = performance.now()
  for (let version = 2; version <= count + 1; version += 1) {
    writeVersion(directory, version)
    rmSync(join(directory, String(version - 1)), { recursive: true })
    const response = await fetch(`${url}/v2/repository/models/version/load`, { method: 'POST' })
    if (!response.ok) throw new Error(`reload ${version}: ${response.status} ${await response.text()}`)
    unloadedAt[version - 1] = performance.now()
  }
  const seconds = (performance.now() - started) / 1000
  isOn = false
  await running
  const verdicts = [
    { name: 'no request failed', isMet: failed === 0 && requests > count },
    { name: 'no answer from an unloaded version', isMet: stale + mixed === 0 },
  ]
  return {
    title: `${count} reloads in ${round(seconds)} s under ${clients} clients`,
    head: ['requests', 'failed', 'of an unloaded version', 'of another than told', 'longest ms'],
    rows: [[String(requests), String(failed), String(stale), String(mixed), round(longestMs)]],
    verdicts,
  }
}

/** The version that answered, and the one that computed: the model multiplies by its version. */
function versionOf(answer: string): { readonly version: number; readonly computed: number | undefined } {
  const parsed = JSON.parse(answer) as { model_version: string; outputs: { data: number[] }[] } // of our own server
  return { version: Number(parsed.model_version), computed: parsed.outputs[0]?.data[0] }
}

/** Written beside and moved: what is there is whole. */
function writeVersion(directory: string, version: number): void {
  const beside = join(directory, `.${version}`)
  mkdirSync(beside)
  const graph = message(
    node('MatMul', ['x', 'w'], 'y'),
    text(2, 'version'),
    weights('w', [1, 1], Float32Array.of(version)),
    nested(11, value('x', ['N', 1])),
    nested(12, value('y', ['N', 1])),
  )
  writeFileSync(join(beside, 'model.onnx'), modelOf(graph))
  renameSync(beside, join(directory, String(version)))
}
