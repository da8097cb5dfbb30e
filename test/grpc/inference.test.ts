import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { failing, identity, simple } from './models.ts'
import { startServer, type Harness, type Message } from './support.ts'

const sixteen = Array.from({ length: 16 }, (_, index) => index + 1)
const le32 = (values: readonly number[]) => Buffer.from(Int32Array.from(values).buffer)
const int32 = (name: string, contents?: readonly number[], shape: readonly number[] = [1, 16]): Message => ({
  name,
  datatype: 'INT32',
  shape,
  ...(contents && { contents: { int_contents: contents } }),
})
const rawSimple: Message = {
  model_name: 'simple',
  inputs: [int32('INPUT0'), int32('INPUT1')],
  raw_input_contents: [le32(sixteen), le32(sixteen)],
}

let harness: Harness
beforeAll(async () => {
  harness = await startServer({ simple, identity, failing }, { limits: { maxMessageBytes: 1024 * 1024 } })
})
afterAll(() => harness.close())

describe('ModelInfer', () => {
  it('answers raw contents by raw contents, in the order of the outputs', async () => {
    const response = await harness.client.call('ModelInfer', { ...rawSimple, id: '7' })
    expect(response).toMatchObject({ model_name: 'simple', model_version: '1', id: '7' })
    expect(response.outputs.map((output: Message) => [output.name, output.datatype, output.shape])).toEqual([
      ['OUTPUT0', 'INT32', ['1', '16']],
      ['OUTPUT1', 'INT32', ['1', '16']],
    ])
    expect(response.outputs[0].contents).toBeNull()
    expect(response.raw_output_contents).toEqual([le32(sixteen.map((value) => value * 2)), le32(Array(16).fill(0))])
  })

  it('answers typed contents by raw contents too', async () => {
    const response = await harness.client.call('ModelInfer', {
      model_name: 'simple',
      inputs: [int32('INPUT0', sixteen), int32('INPUT1', sixteen)],
    })
    expect(response.raw_output_contents[0]).toEqual(le32(sixteen.map((value) => value * 2)))
  })
})

describe('ServerLive', () => {
  it('says true', async () => {
    expect(await harness.client.call('ServerLive', {})).toEqual({ live: true })
  })
})
