/** The commands for a running server, from what is typed to what is printed. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { runApply } from '../../src/cli/apply.ts'
import { ageOf, columns } from '../../src/cli/columns.ts'
import { runDelete } from '../../src/cli/delete.ts'
import { runDescribe } from '../../src/cli/describe.ts'
import { runGet } from '../../src/cli/get.ts'
import type { Io } from '../../src/cli/infer.ts'
import { runRollout } from '../../src/cli/rollout.ts'
import { ManifestBench } from '../kserve/support.ts'
import { isvcText, startControlled, type ControlledServer } from '../server/control/support.ts'
import { catchIo } from './io.ts'

const bench = new ManifestBench()
const open: ControlledServer[] = []
afterEach(async () => {
  for (const { server } of open.splice(0)) await server.close()
})
afterAll(() => bench.close())

type Run = (args: readonly string[], io: Io) => Promise<number>

async function start() {
  const controlled = await startControlled()
  open.push(controlled)
  return async (run: Run, ...args: string[]) => {
    const io = catchIo()
    const status = await run([...args, '--server', controlled.http], io)
    return { status, out: io.out().replaceAll(controlled.http, 'URL'), err: io.err() }
  }
}

const graph = `apiVersion: serving.kserve.io/v1alpha1
kind: InferenceGraph
metadata: {name: chain}
spec:
  nodes:
    root: {routerType: Sequence, steps: [{serviceName: flowers}]}
`

describe('servable apply', () => {
  it('applies what others need first, and tells what became of each', async () => {
    const run = await start()
    const file = join(await bench.write({ 'all.yaml': `${graph}---\n${isvcText('iris')}` }), 'all.yaml')
    expect(await run(runApply, '-f', file)).toEqual({
      status: 0,
      err: '',
      out: 'inferenceservice.serving.kserve.io/flowers created\ninferencegraph.serving.kserve.io/chain created\n',
    })
    expect((await run(runApply, '-f', file)).out).toBe(
      'inferenceservice.serving.kserve.io/flowers unchanged\ninferencegraph.serving.kserve.io/chain unchanged\n',
    )
    await writeFile(file, `${graph}---\n${isvcText('iris-labels')}`)
    expect((await run(runApply, '-f', file)).out).toContain('flowers configured')
    expect(await run(runDelete, '-f', file)).toEqual({
      status: 0,
      err: '',
      out: 'inferencegraph.serving.kserve.io "chain" deleted\ninferenceservice.serving.kserve.io "flowers" deleted\n',
    })
  })

  it('names the line of the file for what is wrong, and applies the rest', async () => {
    const run = await start()
    const broken = isvcText('iris', ['minReplicas: many'], 'broken')
    const file = join(await bench.write({ 'all.yaml': `# two\n${broken}---\n${isvcText('iris')}` }), 'all.yaml')
    const { status, out, err } = await run(runApply, '-f', file)
    expect(status).toBe(1)
    expect(out).toBe('inferenceservice.serving.kserve.io/flowers created\n')
    expect(err).toContain(`${file}:7: spec.predictor.minReplicas: `)
  })

  it('says what to do where no server answers, or nothing is to be applied', async () => {
    const io = catchIo()
    const file = join(await bench.write(isvcText('iris')), 'm.yaml')
    expect(await runApply(['-f', file, '--server', 'http://127.0.0.1:9'], io)).toBe(1)
    expect(io.err()).toMatch(
      /^servable apply: no server answers at http:\/\/127\.0\.0\.1:9 \(.+\): start one with `servable serve/,
    )
    expect(await runApply([], io)).toBe(2)
    expect(io.err()).toContain('which manifests?')
    expect(await runApply(['--help'], io)).toBe(0)
    expect(io.out()).toContain('-f, --filename PATH')
  })
})

describe('servable get, describe and rollout', () => {
  it('show an InferenceService and move its traffic', async () => {
    const run = await start()
    const files = await bench.write({
      'one.yaml': isvcText('iris'),
      'two.yaml': isvcText('iris-labels', ['canaryTrafficPercent: 20']),
    })
    await run(runApply, '-f', join(files, 'one.yaml'))
    expect((await run(runRollout, 'status', 'isvc/flowers')).out).toMatch(
      /flowers-predictor-00001 is ready\n {2}100 % flowers-predictor-00001\n$/,
    )
    await run(runApply, '-f', join(files, 'two.yaml'))
    expect((await run(runRollout, 'status', 'flowers')).out).toMatch(
      / 20 % flowers-predictor-00002\n {3}80 % flowers-predictor-00001\n$/,
    )
    const [head = '', row = ''] = (await run(runGet, 'isvc')).out.split('\n')
    expect(head.split(/ {3,}/)).toEqual([
      'NAME',
      'URL',
      'READY',
      'PREV',
      'LATEST',
      'PREVROLLEDOUTREVISION',
      'LATESTREADYREVISION',
      'AGE',
    ])
    expect(row).toMatch(
      /^flowers {3}http:\/\/flowers\.default\.example\.com {3}True {4}80 {5}20 .*flowers-predictor-00002 +\d+s$/,
    )
    expect((await run(runGet, 'isvc', '-o', 'wide')).out).toContain('UpToDate')
    expect((await run(runGet, 'isvc/flowers', '-o', 'name')).out).toBe('inferenceservice.serving.kserve.io/flowers\n')
    expect((await run(runGet, 'isvc', 'flowers', '-o', 'yaml')).out).toContain('canaryTrafficPercent: 20\n')
    expect(JSON.parse((await run(runGet, 'isvc', '-o', 'json')).out)).toMatchObject({
      kind: 'List',
      items: [{ kind: 'InferenceService' }],
    })
    const { out } = await run(runDescribe, 'isvc', 'flowers')
    expect(out).toContain('20 % flowers-predictor-00002 (latest), 80 % flowers-predictor-00001 (prev)')
    expect(out).toMatch(/Conditions:\n {2}TYPE .*\n(.*\n)* {2}Ready +True/)
    expect(await run(runRollout, 'promote', 'isvc/flowers')).toEqual({
      status: 0,
      err: '',
      out: 'inferenceservice.serving.kserve.io/flowers promoted\n  100 % flowers-predictor-00002\n',
    })
    expect((await run(runRollout, 'promote', 'isvc/flowers')).err).toContain('nothing to promote')
    expect((await run(runRollout, 'undo', 'isvc', 'flowers')).status).toBe(0)
  })

  it('tell of a revision that failed, of what is not there, and of what is no kind', async () => {
    const run = await start()
    const files = await bench.write({ 'one.yaml': isvcText('nowhere') })
    await run(runApply, '-f', files)
    const { status, err } = await run(runRollout, 'status', 'flowers')
    expect(status).toBe(1)
    expect(err).toContain('flowers-predictor-00001 failed to load: ')
    expect((await run(runDescribe, 'isvc', 'flowers')).out).toContain('ModelLoadFailed')
    expect(await run(runGet, 'isvc', 'iris')).toMatchObject({
      status: 1,
      err: 'servable get: Error from server (NotFound): inferenceservices.serving.kserve.io "iris" not found\n',
    })
    expect(await run(runGet, 'ig')).toMatchObject({ status: 0, err: 'No resources found in default namespace.\n' })
    expect((await run(runGet, 'pods')).err).toContain("there is no kind 'pods'")
  })
})

describe('columns and ages', () => {
  it('are those of kubectl', () => {
    expect(
      columns([
        ['A', 'LONG'],
        ['1', '2'],
        ['333', ''],
      ]),
    ).toBe('A     LONG\n1     2\n333\n')
    const ages = [5, 119, 190, 1000, 9000, 200_000, 400_000].map((seconds) =>
      ageOf('2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1) + seconds * 1000),
    )
    expect(ages).toEqual(['5s', '119s', '3m10s', '16m', '150m', '2d', '4d'])
  })
})
