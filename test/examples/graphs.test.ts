/** The examples of graphs: each README's command starts a server, and its curl lines print what stands below them. */
import { execFile, spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { Bench } from '../e2e/cli-process.ts'
import { blocksOf, type Block } from '../e2e/readme-blocks.ts'
import { root } from '../paths.ts'

const lacks = ['sh', 'curl'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined)
const names = ['dog-breed-pipeline', 'switch', 'ensemble', 'splitter']

describe.skipIf(lacks.length > 0).each(names)(
  `examples/%s${lacks.length > 0 ? ` (skipped: no ${lacks.join(', ')} here)` : ''}`,
  (name) => {
    const bench = new Bench()
    const blocks = blocksOf(join('examples', name, 'README.md'))
    let address = ''

    beforeAll(async () => {
      const [command] = blocks.filter(({ word }) => word === 'start')
      const args = (command?.text ?? '')
        .trim()
        .replace(/^npx servable /, '')
        .split(' ')
      const cli = bench.run(args, { environment: { SERVABLE_HTTP_PORT: '0', SERVABLE_GRPC_PORT: '0' } })
      address = (await cli.started()).replace('http://', '')
      expect(cli.logLines.find(({ msg }) => msg === 'ready')).toMatchObject({ ready: true })
    })

    afterAll(() => bench.close())

    const runs = blocks.filter(({ word }) => word === 'run')

    it('asks more than once', () => expect(runs.length).toBeGreaterThan(1))

    it.each(runs)('line $line prints what stands below it', async (block) => {
      const answer = answerBelow(blocks, block)
      const script = block.text.replaceAll('localhost:8080', address)
      const { stdout } = await promisify(execFile)('sh', ['-e', '-c', script])
      expect(JSON.parse(stdout)).toEqual(JSON.parse(answer))
    })
  },
)

it('has the graph of the announcement as it stands there', () => {
  const text = readFileSync(join(root, 'examples', 'dog-breed-pipeline', 'graph.yaml'), 'utf8')
  const first = { serviceName: 'cat-dog-classifier', name: 'cat_dog_classifier' }
  const second = {
    serviceName: 'dog-breed-classifier',
    name: 'dog_breed_classifier',
    data: '$request',
    condition: '[@this].#(predictions.0=="dog")',
  }
  expect(parse(text)).toEqual({
    apiVersion: 'serving.kserve.io/v1alpha1',
    kind: 'InferenceGraph',
    metadata: { name: 'dog-breed-pipeline' },
    spec: {
      nodes: { root: { routerType: 'Sequence', steps: [first, second] } },
      resources: { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: 1, memory: '1Gi' } },
    },
  })
})

it('holds models of less than a megabyte in all', () => {
  const folder = join(root, 'examples')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.onnx'))
  const sizes = files.map((file) => statSync(join(folder, file)).size)
  expect(files.length).toBe(6)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(2 ** 20)
})

function answerBelow(blocks: readonly Block[], block: Block): string {
  const next = blocks[blocks.indexOf(block) + 1]
  if (next?.word !== 'answer') throw new Error(`line ${block.line}: no answer stands below it`)
  return next.text
}
