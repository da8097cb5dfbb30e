/** The models of the suite: one that is served anyway, and two made for this machine, of 5 and of 20 ms for one row. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { encodeGrpcInferRequest } from '../../src/codec/v2-grpc.ts'
import { elementCount, tensor, type Tensor } from '../../src/core/tensor.ts'
import { modelInfer, type GrpcRequest } from '../grpc-message.ts'
import { pinned } from '../machine.ts'
import { mlpInputs, mlpModel } from '../mlp-model.ts'
import { binaryRequest, type HttpRequest } from '../requests.ts'

/** One run. */
export interface RunTime {
  readonly rows: number
  readonly ms: number
}

export interface BenchModel {
  readonly name: string
  /** For `servable serve`. */
  readonly directory: string
  readonly file: string
  readonly input: string
  /** Shape of one row. */
  readonly row: readonly number[]
  /** Medians with onnxruntime-node alone, by rows. */
  readonly runs: readonly RunTime[]
}

/** As many clients as the throughput is measured with: they never have more rows on the way. */
export const clients = 32
const sizes = [1, 2, 4, 8, 16, clients, 64] as const

/** One session with one thread, as the loops have beside which it is measured. */
const modelYaml = 'instances: 1\noptions:\n  intra_op_num_threads: 1\n'

/** Layers of the model that tells how long one takes on this machine. */
const probeLayers = 4

export interface Models {
  readonly digits: BenchModel
  readonly mlps: readonly BenchModel[]
}

/** Writes the models and times them. @param folder gets a folder for each */
export async function createModels(folder: string): Promise<Models> {
  const digits = await addModel(folder, 'digits', 'image', [1, 8, 8], (file) =>
    copyFileSync(join(process.cwd(), 'models', 'digits', 'model.onnx'), file),
  )
  const probe = await addModel(folder, 'probe', 'x', [mlpInputs], writeMlp(probeLayers))
  const layerMs = timeOf(probe, 1) / probeLayers
  const mlps: BenchModel[] = []
  for (const ms of [5, 20]) {
    const layers = Math.max(1, Math.round(ms / layerMs))
    mlps.push(await addModel(folder, `mlp-${ms}ms`, 'x', [mlpInputs], writeMlp(layers)))
  }
  return { digits, mlps }
}

function writeMlp(layers: number): (file: string) => void {
  return (file) => writeFileSync(file, mlpModel(layers))
}

async function addModel(
  folder: string,
  name: string,
  input: string,
  row: readonly number[],
  write: (file: string) => void,
): Promise<BenchModel> {
  const directory = join(folder, name)
  const file = join(directory, 'model.onnx')
  mkdirSync(directory)
  write(file)
  writeFileSync(join(directory, 'model.yaml'), modelYaml)
  return { name, directory, file, input, row, runs: await timeRuns(file, input, row) }
}

async function timeRuns(file: string, input: string, row: readonly number[]): Promise<readonly RunTime[]> {
  const program = fileURLToPath(new URL('../targets/batches.js', import.meta.url))
  const [command = '', ...args] = pinned(0, [process.execPath, program, file, input, row.join(','), sizes.join(',')])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')])
  if (child.exitCode !== 0) throw new Error(`invalid run: timing ${file} ended with status ${child.exitCode}`)
  return JSON.parse(output) as RunTime[] // printed by batches.ts
}

/** Milliseconds of a run of so many rows. */
export function timeOf({ name, runs }: BenchModel, rows: number): number {
  const run = runs.find((candidate) => candidate.rows === rows)
  if (run === undefined) throw new Error(`${name} was not timed with ${rows} rows`)
  return run.ms
}

export interface Throughput {
  readonly rows: number
  readonly perSecond: number
}

/** The size of a run that gives most rows per second. @param mostRows in one run */
export function bestBatch({ runs }: Pick<BenchModel, 'runs'>, mostRows: number): Throughput {
  let best: Throughput = { rows: 1, perSecond: 0 }
  for (const { rows, ms } of runs) {
    const perSecond = (rows / ms) * 1000
    if (rows <= mostRows && perSecond > best.perSecond) best = { rows, perSecond }
  }
  return best
}

/** α and β of `ms = α + β·rows` in milliseconds, by least squares of the relative error; neither below 0. */
export function lineOf(runs: readonly RunTime[]): { readonly alphaMs: number; readonly betaMs: number } {
  let [weights, rowsSum, squares, msSum, products] = [0, 0, 0, 0, 0]
  for (const { rows, ms } of runs) {
    const weight = 1 / ms ** 2
    weights += weight
    rowsSum += weight * rows
    squares += weight * rows * rows
    msSum += weight * ms
    products += weight * rows * ms
  }
  const betaMs = Math.max(0, (weights * products - rowsSum * msSum) / (weights * squares - rowsSum ** 2))
  return { alphaMs: Math.max(0, (msSum - betaMs * rowsSum) / weights), betaMs }
}

/** A request of some rows, both ways in the binary tensor extension as tritonclient has it: reading and writing cost next to nothing. */
export function rowsRequest(model: BenchModel, rows: number): HttpRequest {
  return binaryRequest(model.name, rowsOf(model, rows), { binary_data_output: true })
}

/** The same over gRPC, raw. */
export function rowsCall(model: BenchModel, rows: number): GrpcRequest {
  const message = encodeGrpcInferRequest({ model: { name: model.name }, inputs: [rowsOf(model, rows)] })
  return { path: modelInfer, message }
}

function rowsOf({ input, row }: BenchModel, rows: number): Tensor<'FP32'> {
  const shape = [rows, ...row]
  return tensor(
    input,
    'FP32',
    shape,
    Float32Array.from({ length: elementCount(shape) }, (_, index) => (index % 17) / 17),
  )
}
