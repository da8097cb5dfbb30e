/** `servable infer`: asks a model of a running server and prints the answer. */
import { readFileSync } from 'node:fs'
import type { Client } from '../client/client.ts'
import { createClient, type ClientTls, type ModelDescription } from '../client/index.ts'
import { encodeV2Response } from '../codec/index.ts'
import { InferenceError, messageOf } from '../core/errors.ts'
import type { InferenceResponse } from '../core/inference.ts'
import { choice, flag, helpOf, listSetting, parseSettings, setting, string, type ValuesOf } from '../server/settings.ts'
import { describeModel } from './describe-model.ts'
import { readInputs, type ReadRequest } from './infer-input.ts'
import { renderResponse } from './infer-output.ts'

/** Where a command writes; `process` is one. */
export interface Io {
  readonly stdout: { write(text: string): unknown; readonly columns?: number }
  readonly stderr: { write(text: string): unknown }
}

const inferSettings = {
  input: listSetting({
    parse: string,
    value: 'NAME=VALUE',
    description:
      'numbers 5.1,3.5 · JSON [[1,2],[3,4]] · a text · @file.json (an array or a whole request) · @image.png · @array.npy; ' +
      'NAME= may be left out for a model with one input',
  }),
  shape: listSetting({
    parse: string,
    value: 'NAME=1,4',
    description: "shape, where the model's metadata does not tell",
  }),
  datatype: listSetting({
    parse: string,
    value: 'NAME=FP32',
    description: "datatype, where the model's metadata does not tell",
  }),
  output: listSetting({ parse: string, value: 'NAME', description: 'only this output' }),
  version: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'VERSION',
    description: 'version of the model; the newest one where absent',
  }),
  protocol: setting({
    parse: choice('v2', 'v1', 'grpc-v2', 'grpc-v1'),
    default: 'v2' as const,
    value: 'v1|v2|grpc-v1|grpc-v2',
    description: 'protocol to speak; for V2 over gRPC a URL as grpc://host:port is enough',
  }),
  binary: setting<boolean | undefined>({
    parse: flag,
    default: undefined,
    value: '',
    isSwitch: true,
    description: 'send tensors as raw bytes; by default where the server says that it takes them',
  }),
  json: setting({ parse: flag, default: false, value: '', isSwitch: true, description: 'print the answer as V2 JSON' }),
  header: listSetting({ parse: header, value: "'NAME: VALUE'", description: 'header to send' }),
  tlsCa: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: "whom to trust (PEM) for https and grpcs, instead of the system's authorities",
  }),
  tlsCertificate: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'certificate (PEM) to show to a server that asks for one',
  }),
  tlsKey: setting<string | undefined>({
    parse: string,
    default: undefined,
    value: 'FILE',
    description: 'private key of that certificate (PEM)',
  }),
  timeout: setting({ parse: seconds, default: 60, value: 'SECONDS', description: 'time for the answer' }),
  help: setting({ parse: flag, default: false, value: '', isSwitch: true, description: 'show this text' }),
}

type InferValues = ValuesOf<typeof inferSettings>

interface Question {
  readonly url: string
  readonly model: string
  readonly values: InferValues
}

/**
 * @param args what follows `infer` on the command line
 * @returns exit status: 0, 1 where the model did not answer, 2 for wrong usage
 */
export async function runInfer(args: readonly string[], io: Io): Promise<number> {
  const complain = (reason: unknown, status: number, url = '') => {
    io.stderr.write(`servable infer: ${adviceOf(reason, url)}\n`)
    return status
  }
  let question: Question | undefined
  let client: Client
  try {
    question = parseArguments(args)
    if (question === undefined) {
      io.stdout.write(help())
      return 0
    }
    client = connect(question)
  } catch (reason) {
    return complain(reason, 2)
  }
  const { url, model, values } = question
  try {
    const described = await describeModel(client, { url, name: model, version: values.version })
    const description = described ?? (await describeByV2(question))
    let request: ReadRequest
    try {
      request = await readInputs(
        { inputs: values.input, shapes: values.shape, datatypes: values.datatype },
        { ...description, name: model },
        isV1(values) ? 'v1' : 'v2',
      )
    } catch (reason) {
      return complain(reason, 2)
    }
    const started = performance.now()
    const response = await ask(client, question, request)
    print(response, performance.now() - started, values.json, io)
    return 0
  } catch (reason) {
    return complain(reason, 1, url)
  } finally {
    client.close()
  }
}

/** @returns undefined where help is wanted */
function parseArguments(args: readonly string[]): Question | undefined {
  const { values, positionals } = parseSettings(inferSettings, {
    args: args.map((text) => (text === '-h' ? '--help' : text)),
  })
  if (values.help) return undefined
  const [url, model, ...rest] = positionals
  if (url === undefined || model === undefined || rest.length > 0) {
    throw invalid(`expected a URL and a model, got '${positionals.join(' ')}'. ${usage}; see --help`)
  }
  return { url, model, values }
}

async function ask(client: Client, { model, values }: Question, request: ReadRequest): Promise<InferenceResponse> {
  const { inputs, outputs, ...beside } = request
  const wanted = values.output.length > 0 ? values.output : outputs
  const byName = Object.fromEntries(inputs.map((input) => [input.name, input]))
  const { response } = await client.infer(model, byName, {
    ...beside,
    ...(wanted === undefined ? {} : { outputs: wanted }),
    ...(values.version === undefined ? {} : { version: values.version }),
  })
  return response
}

const usage = "Usage: servable infer <url> <model> --input 'NAME=VALUE'"

function help(): string {
  const examples = [
    "  servable infer localhost:8080 iris --input '5.1,3.5,1.4,0.2'",
    '  servable infer localhost:8080 digits --input image=@seven.png',
    "  servable infer grpc://localhost:8081 iris --input '5.1,3.5,1.4,0.2'",
    '  servable infer localhost:8080 add-sub --input A=@a.npy --input B=[[1,2],[3,4]] --output SUM',
  ]
  return `${usage}\n\n${examples.join('\n')}\n\n${helpOf(inferSettings)}\n`
}

function connect({ url, values }: Question): Client {
  return createClient(url, {
    protocol: values.protocol,
    timeoutMs: values.timeout * 1000,
    headers: Object.fromEntries(values.header),
    ...(values.binary === undefined ? {} : { binary: values.binary }),
    tls: {
      ...pemIn('ca', '--tls-ca', values.tlsCa),
      ...pemIn('certificate', '--tls-certificate', values.tlsCertificate),
      ...pemIn('key', '--tls-key', values.tlsKey),
    },
  })
}

/** @throws InferenceError `invalid_argument` where the file cannot be read */
function pemIn(key: keyof ClientTls, flagName: string, file: string | undefined): ClientTls {
  if (file === undefined) return {}
  try {
    return { [key]: readFileSync(file) }
  } catch (reason) {
    throw new InferenceError('invalid_argument', `${flagName}: cannot read ${file}: ${messageOf(reason)}`, {
      cause: reason,
    })
  }
}

function isV1({ protocol }: InferValues): boolean {
  return protocol === 'v1' || protocol === 'grpc-v1'
}

/** A V1 server may tell nothing of a model where it speaks V2, too. */
async function describeByV2(question: Question): Promise<ModelDescription> {
  const { model, values } = question
  const unknown = { name: model, versions: [], platform: '', inputs: [], outputs: [], parameters: {} }
  if (!isV1(values)) return unknown
  const protocol = values.protocol === 'grpc-v1' ? 'grpc-v2' : 'v2'
  const client = connect({ ...question, values: { ...values, protocol } })
  try {
    return await client.modelMetadata(model, values.version)
  } catch {
    return unknown // then the values speak for themselves
  } finally {
    client.close()
  }
}

function print(response: InferenceResponse, tookMs: number, isJson: boolean, io: Io): void {
  if (isJson) {
    const { body } = encodeV2Response(response, { isBinary: false })
    for (const part of body instanceof Uint8Array ? [body] : body) io.stdout.write(Buffer.from(part).toString('utf8'))
    io.stdout.write('\n')
    return
  }
  const { name, version } = response.model
  const took = tookMs < 10 ? tookMs.toFixed(1) : Math.round(tookMs)
  io.stdout.write(`${renderResponse(response, io.stdout.columns)}\n`)
  io.stdout.write(`${name}${version === '' ? '' : ` version ${version}`} answered in ${took} ms\n`)
}

function adviceOf(reason: unknown, url: string): string {
  const text = messageOf(reason)
  if (!(reason instanceof InferenceError)) return text
  if (reason.code === 'unavailable' && text.startsWith('cannot reach')) {
    return `${text}. Is 'servable serve' running at ${url}?`
  }
  if (reason.code === 'deadline_exceeded') return `${text}. A slow model may need --timeout SECONDS`
  return text
}

function header(text: string): readonly [string, string] {
  const colon = text.indexOf(':')
  if (colon < 1) throw new Error(`expected 'NAME: VALUE', got '${text}'`)
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}

function seconds(text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !(number > 0 && number <= 86_400)) {
    throw new Error(`expected seconds, more than 0 and at most 86400, got '${text}'`)
  }
  return number
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
