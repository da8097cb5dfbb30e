/** Loads every model that make_models.py wrote, and compares what it predicts to the library's own. Prints `N passed, N failed`. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, build] = process.argv.slice(2)
const { default: trees } = await import(pathToFileURL(resolve(build, 'runtimes/trees/index.js')).href)
const { silentLog, tensor } = await import(pathToFileURL(resolve(build, 'src/runtime/index.js')).href)
const { signal } = new AbortController()
let passed = 0
let failed = 0

for (const name of readdirSync(folder).sort()) {
  try {
    await check(name, JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')))
    passed += 1
  } catch (reason) {
    failed += 1
    console.log(`${name}: ${reason.message}`)
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function check(name, golden) {
  const spec = {
    ref: { name, version: '1' },
    format: name.split('-')[0],
    directory: join(folder, name),
    file: join(folder, name, golden.file),
    device: 'cpu',
    placement: 'inline',
    maxQueueSize: 100,
    options: golden.options,
  }
  const model = await trees.load(spec, silentLog, signal)
  try {
    const [{ datatype }] = model.metadata.inputs
    const values = golden.inputs.map((value) => value ?? NaN)
    const data = datatype === 'FP64' ? Float64Array.from(values) : Float32Array.from(values)
    const outputs = await model.predict({ inputs: [tensor('X', datatype, golden.shape, data)] }, signal)
    for (const [output, expected] of Object.entries(golden.outputs)) {
      const found = outputs.find((one) => one.name === output)
      if (found === undefined) throw new Error(`no output ${output}`)
      if (String(found.shape) !== String(expected.shape)) throw new Error(`${output}: ${found.shape}`)
      compare(output, found.data, expected.data)
    }
  } finally {
    await model.close()
  }
}

/** To 1e-5 of the value, or of 1 where it is smaller. */
function compare(output, values, expected) {
  const wrong = expected.findIndex((value, index) => {
    const wanted = value ?? NaN
    return !(
      Math.abs(values[index] - wanted) <= 1e-5 * Math.max(1, Math.abs(wanted)) || Object.is(values[index], wanted)
    )
  })
  if (wrong !== -1) throw new Error(`${output}[${wrong}] is ${values[wrong]}, the library says ${expected[wrong]}`)
}
