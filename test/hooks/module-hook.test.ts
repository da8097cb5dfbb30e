/** Hooks that users write: what they may export, give and throw. */
import { execFile } from 'node:child_process'
import { utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { silentLog, type LogFields } from '../../src/core/log.ts'
import { tensor } from '../../src/core/tensor.ts'
import { loadModuleHook } from '../../src/hooks/module-hook.ts'
import { root as repository } from '../paths.ts'
import { directoryWith, type Files } from '../repository/directories.ts'
import { context, requestWith, responseWith } from './calls.ts'

const x = tensor('x', 'FP32', [2], Float32Array.of(1, 2))

async function load(
  source: string,
  { name = 'hooks.mjs', files = {}, log = silentLog }: { name?: string; files?: Files; log?: typeof silentLog } = {},
) {
  const root = await directoryWith({ [name]: source, ...files })
  return loadModuleHook({ path: join(root, name), root, model: 'm', log })
}

const twice = `function preprocess(request) {
  return { ...request, inputs: request.inputs.map((input) => ({ ...input, data: input.data.map((value) => value * 2) })) }
}`

describe('a module', () => {
  it.each([
    ['named exports', 'hooks.mjs', `export ${twice}`],
    ['a default export', 'hooks.mjs', `${twice}; export default { preprocess }`],
    ['CommonJS exports', 'hooks.cjs', `${twice}; exports.preprocess = preprocess`],
    ['a CommonJS object', 'hooks.cjs', `${twice}; module.exports = { preprocess }`],
    ['CommonJS in .js', 'hooks.js', `${twice}; module.exports = { preprocess }`],
    ['an ES module in .js without a package.json', 'hooks.js', `export ${twice}`],
    ['an async function', 'hooks.mjs', `export async ${twice}`],
  ])('with %s', async (_, name, source) => {
    const hooks = await load(source, { name })
    const prepared = await hooks.preprocess?.(requestWith(x), context())
    expect(prepared).toEqual(requestWith(tensor('x', 'FP32', [2], Float32Array.of(2, 4))))
    expect(hooks).not.toHaveProperty('postprocess')
  })

  it('imports what lies beside it', async () => {
    const source = `import { two } from './two.mjs'; export const postprocess = (response) => ({ ...response, parameters: { two } })`
    const hooks = await load(source, { files: { 'two.mjs': 'export const two = 2' } })
    expect(await hooks.postprocess?.(responseWith(x), context())).toMatchObject({ parameters: { two: 2 } })
  })

  it('declares the signature that callers see', async () => {
    const hooks = await load(
      `export const inputs = [{ name: 'text', datatype: 'BYTES', shape: [-1] }]
       export const outputs = [{ name: 'y', datatype: 'FP32', shape: [-1, 3] }]
       export const preprocess = (request) => request`,
    )
    expect(hooks.inputs).toEqual([{ name: 'text', datatype: 'BYTES', shape: [-1] }])
    expect(hooks.outputs).toEqual([{ name: 'y', datatype: 'FP32', shape: [-1, 3] }])
  })

  it.each(['hooks.mjs', 'hooks.cjs'])('is read anew after a change: %s', async (name) => {
    const source = (value: number) => {
      const run = `(response) => ({ ...response, parameters: { value: ${value} } })`
      return name.endsWith('.cjs') ? `exports.postprocess = ${run}` : `export const postprocess = ${run}`
    }
    const root = await directoryWith({ [name]: source(1) })
    const file = { path: join(root, name), root, model: 'm', log: silentLog }
    const first = await loadModuleHook(file)
    await writeFile(file.path, source(2))
    await utimes(file.path, 1e9, 1e9)
    const second = await loadModuleHook(file)
    expect(await second.postprocess?.(responseWith(x), context())).toMatchObject({ parameters: { value: 2 } })
    expect(await first.postprocess?.(responseWith(x), context())).toMatchObject({ parameters: { value: 1 } })
  })

  it('in .js is an ES module by what it says, on a Node that does not look for it too', async () => {
    const root = await directoryWith({ 'hooks.js': `export ${twice}` })
    const script = `import { loadModuleHook } from ${JSON.stringify(new URL('../../src/hooks/module-hook.js', import.meta.url).href)}
      const hooks = await loadModuleHook(${JSON.stringify({ path: join(root, 'hooks.js'), root, model: 'm' })})
      process.stdout.write(Object.keys(hooks).join())`
    const flags = process.allowedNodeEnvironmentFlags.has('--experimental-detect-module')
      ? ['--no-experimental-detect-module']
      : []
    const run = promisify(execFile)(process.execPath, [...flags, '--input-type=module', '-e', script], {
      cwd: repository,
    })
    expect((await run).stdout).toBe('preprocess')
  })
})

describe('a module that is refused', () => {
  it.each([
    [
      'export const preProces = 1',
      /must export preprocess, postprocess or explain; it exports preProces; did you mean preprocess\?$/,
    ],
    ['', /must export preprocess, postprocess or explain; it exports nothing$/],
    ['export default function run() {}', /must export preprocess, postprocess or explain; it exports nothing$/],
    ['export const preprocess = 3', /hooks\.mjs: preprocess must be a function, it is a number$/],
    ['export const postprocess = []', /postprocess must be a function, it is an array$/],
    ['export const preprocess = ', /hooks\.mjs is no valid JavaScript: Unexpected end of input$/],
    ["throw new Error('no licence')", /hooks\.mjs failed while it was imported: no licence$/],
    [
      "import 'a-package-that-is-not-there'",
      /hooks\.mjs failed while it was imported: Cannot find package 'a-package-that-is-not-there'/,
    ],
    ['export const preprocess = (r) => r; export const inputs = {}', /: inputs: .*; expected a list of \{ name: 'x'/],
    [
      "export const preprocess = (r) => r; export const inputs = [{ name: 'x', datatype: 'FP33', shape: [1] }]",
      /: inputs\.0\.datatype: /,
    ],
    [
      "export const preprocess = (r) => r; export const outputs = [{ name: 'x', datatype: 'FP32', shape: [-2] }]",
      /: outputs\.0\.shape\.0: /,
    ],
  ])('%j', async (source, message) => {
    await expect(load(source)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringMatching(message) as string,
    })
  })
  it('because it is missing or outside of the model', async () => {
    const root = await directoryWith({
      'm/x': '',
      'hooks.mjs': `export ${twice}`,
      'm/link.mjs': { link: '../hooks.mjs' },
    })
    const at = (path: string) =>
      loadModuleHook({ path: join(root, path), root: join(root, 'm'), model: 'm', log: silentLog })
    await expect(at('m/gone.mjs')).rejects.toThrow(/hook: .*gone\.mjs does not exist/)
    await expect(at('hooks.mjs')).rejects.toThrow("lies outside of the model's directory")
    await expect(at('m/link.mjs')).rejects.toThrow("lies outside of the model's directory")
  })
})

describe('a call', () => {
  async function outcome(body: string) {
    const lines: LogFields[] = []
    const log = { ...silentLog, error: (fields: LogFields) => lines.push(fields) }
    const hooks = await load(`export function preprocess(request, context) { ${body} }`, { log })
    const error: unknown = await hooks.preprocess?.(requestWith(x), context()).catch((reason: unknown) => reason)
    return { error, lines }
  }

  it.each([
    [
      "throw Object.assign(new Error('x must be positive'), { code: 'invalid_argument' })",
      'invalid_argument',
      'x must be positive',
    ],
    ["throw Object.assign(new Error('try later'), { code: 'unavailable' })", 'unavailable', 'try later'],
    ["throw new DOMException('gone', 'AbortError')", 'cancelled', 'the request was cancelled'],
  ])('may refuse the request: %s', async (body, code, message) => {
    const { error, lines } = await outcome(body)
    expect(error).toMatchObject({ name: 'InferenceError', code, message })
    expect(lines).toEqual([])
  })

  it.each([
    ["throw new TypeError('secret detail')", 'secret detail'],
    ["throw Object.assign(new Error('secret'), { code: 'ENOENT' })", 'secret'],
    ["throw 'just text'", 'just text'],
    ['return undefined', 'it must return a request with inputs'],
    ['return { ...request, inputs: [3] }', 'inputs[0] that is no tensor'],
    [
      "return { ...request, inputs: [{ name: 'x', datatype: 'FP31', shape: [1], data: [] }] }",
      "inputs[0] 'x' with datatype FP31",
    ],
    [
      "return { ...request, inputs: [{ name: 'x', datatype: 'FP32', shape: [2], data: [1, 2] }] }",
      'needs: Float32Array',
    ],
    [
      "return { ...request, inputs: [{ name: 'x', datatype: 'FP32', shape: [-1], data: new Float32Array(1) }] }",
      'whole numbers',
    ],
    [
      "return { ...request, inputs: [{ name: 'x', datatype: 'FP32', shape: [3], data: new Float32Array(2) }] }",
      'with 2 elements, not 3',
    ],
    [
      "return { ...request, inputs: [{ name: 'x', datatype: 'BYTES', shape: [1], data: ['a'] }] }",
      'a list of Uint8Array',
    ],
  ])('that fails tells the log, not the caller: %s', async (body, detail) => {
    const { error, lines } = await outcome(body)
    expect(error).toMatchObject({ code: 'internal', message: "hook 'hooks.mjs' of model 'm' failed in preprocess" })
    expect(lines).toEqual([
      expect.objectContaining({ model: 'm', hook: 'hooks.mjs', step: 'preprocess', requestId: 'r1' }),
    ])
    expect(String(lines[0]?.['reason'])).toContain(detail)
  })

  it('gets the context', async () => {
    const hooks = await load(
      'export const preprocess = (request, { requestId, headers }) => ({ ...request, parameters: { requestId, of: typeof headers } })',
    )
    expect(await hooks.preprocess?.(requestWith(x), context())).toMatchObject({
      parameters: { requestId: 'r1', of: 'object' },
    })
  })
})
