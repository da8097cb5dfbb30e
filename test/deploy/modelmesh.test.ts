/** The manifest of deploy/modelmesh: valid for a cluster, and its container is what a mesh finds at its endpoints. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { Bench, get } from '../e2e/cli-process.ts'
import { root } from '../paths.ts'
import { addSubPath, MeshPeer, onnx } from '../server/modelmesh/mesh-peer.ts'
import { mistakesIn, objects } from './crd-fields.ts'

const manifest: unknown = parse(await readFile(join(root, 'deploy', 'modelmesh', 'servingruntime.yaml'), 'utf8'))
const container = z.looseObject({ name: z.string(), args: z.array(z.string()) })
const { spec } = z
  .looseObject({
    spec: z.looseObject({
      multiModel: z.boolean(),
      grpcEndpoint: z.string(),
      grpcDataEndpoint: z.string(),
      containers: z.tuple([container]),
    }),
  })
  .parse(manifest)
const [{ name, args, ...rest }] = spec.containers

describe('deploy/modelmesh/servingruntime.yaml', () => {
  const bench = new Bench()
  afterAll(() => bench.close())

  it('has no field that the CRD does not have', () => {
    expect(mistakesIn(manifest, objects['ServingRuntime'] ?? 'string')).toEqual([])
  })

  it('keeps to what ModelMesh reserves', () => {
    expect(spec.multiModel).toBe(true)
    expect(['mm', 'rest-proxy', 'puller']).not.toContain(name)
    expect(rest).not.toHaveProperty('readinessProbe')
    expect(rest).not.toHaveProperty('lifecycle')
    expect(args.join(' ')).not.toMatch(/8080|8085|80[89]\d|118\d\d/)
  })

  it('starts empty, and is managed and asked at its endpoints', async () => {
    expect(args).toContain(`--model-mesh=${spec.grpcEndpoint}`)
    expect(spec.grpcDataEndpoint).toBe(spec.grpcEndpoint)
    const cli = bench.run(args.map((arg) => arg.replace(/port[=:]\d+$/, (port) => port.replace(/\d+/, '0'))))
    const url = await cli.started()
    const mesh = new MeshPeer(String((await cli.logged('listening'))['mesh']))
    onTestFinished(() => mesh.close())
    expect(await mesh.status()).toMatchObject({ status: 'READY' })
    await mesh.load('iris__isvc-1', addSubPath, onnx)
    expect(await mesh.infer('iris__isvc-1')).toMatchObject({ model_name: 'iris__isvc-1' })
    expect((await get(`${url}/metrics`)).text).toContain('modelmesh_instance_models_total 1')
    await mesh.unload('iris__isvc-1')
    expect((await get(`${url}/v2/health/ready`)).status).toBe(200)
    mesh.close()
    cli.kill('SIGTERM')
    expect(await cli.ended).toEqual({ status: 0, signal: null })
  })
})
