/** The example of a predictor of one's own. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer, type Server } from 'servable'
import { flowers } from '../../examples/custom-predictor/main.ts'
import { Bench, get, post } from '../e2e/cli-process.ts'
import { containing } from '../e2e/matchers.ts'

const program = fileURLToPath(new URL('../../examples/custom-predictor/main.js', import.meta.url))

describe('the model', () => {
  let server: Server
  let url = ''

  beforeAll(async () => {
    server = await createServer({ models: { flowers }, httpPort: 0, grpcPort: 0, logLevel: 'silent' })
    url = (await server.start()).http
  })

  afterAll(() => server.close())

  it('answers over V1, one object per row', async () => {
    const { status, answer } = await post(`${url}/v1/models/flowers:predict`, {
      instances: [
        [5.1, 3.5, 1.4, 0.2],
        [6.3, 3.3, 6, 2.5],
      ],
    })
    expect(status).toBe(200)
    expect(answer).toMatchObject({ predictions: [{ species: 'setosa' }, { species: 'virginica' }] })
  })

  it('answers over V2', async () => {
    const input = { name: 'measurements', datatype: 'FP32', shape: [1, 4], data: [5.936, 2.77, 4.26, 1.326] }
    const outputs = [
      { name: 'species', datatype: 'BYTES', shape: [1], data: ['versicolor'] },
      { name: 'distance', datatype: 'FP32', shape: [1] },
    ]
    const { status, answer } = await post(`${url}/v2/models/flowers/infer`, { inputs: [input] })
    expect(status).toBe(200)
    expect(answer).toMatchObject({ model_name: 'flowers', outputs })
  })

  it('refuses lengths that no flower has', async () => {
    const { status, answer } = await post(`${url}/v1/models/flowers:predict`, { instances: [[5.1, 3.5, -1.4, 0.2]] })
    expect({ status, answer }).toEqual({
      status: 400,
      answer: { error: "input 'measurements': every length must be above 0 cm" },
    })
  })

  it('explains', async () => {
    const { status, answer } = await post(`${url}/v1/models/flowers:explain`, { instances: [[5.1, 3.5, 1.4, 0.2]] })
    expect(status).toBe(200)
    expect(JSON.stringify(answer)).toMatch(/\[\[\[?0\.00883/) // (5.1 - 5.006)²
  })

  it('refuses what is no row of four', async () => {
    const { status, answer } = await post(`${url}/v1/models/flowers:predict`, { instances: [[1, 2, 3]] })
    expect(status).toBe(400)
    expect(answer).toEqual({ error: containing('measurements') })
  })
})

describe('the program', () => {
  const bench = new Bench()
  afterAll(() => bench.close())

  it('starts, serves and ends at Ctrl-C', async () => {
    const cli = bench.run([], { command: [process.execPath, program], environment: { PORT: '0' } })
    const url = await cli.until('its address', ({ stdout }) => /serving flowers at (\S+)\n/.exec(stdout)?.[1])
    expect(await get(`${url}/v2/models/flowers/ready`)).toMatchObject({ status: 200 })
    cli.kill('SIGINT')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
  })
})
