/** The inspection of a model as text. */
import type { NamedSignature, TensorMetadata } from '../core/model.ts'
import type { Inspection, LoadedFacts } from './inspection.ts'
import type { OnnxFacts } from './onnx-facts.ts'
import type { SavedModelFacts } from './saved-model-facts.ts'
import { printable, renderTable } from './table.ts'

/** The operators that say what kind of model it is; the rest is counted. */
const shownOperators = 8

/**
 * @param versions of the model, oldest first
 * @param width columns of the terminal
 */
export function renderInspection(inspection: Inspection, versions: readonly string[], width?: number): string {
  const { name, version, source, format, runtime, bytes, hooks, onnx, savedModel, loaded, reason } = inspection
  const facts: [string, string][] = [['source', `${source}${bytes === undefined ? '' : ` (${bytesText(bytes)})`}`]]
  if (versions.length > 1) {
    const newest = versions.at(-1)
    facts.push(['versions', `${versions.join(', ')}; without a version callers get ${newest ?? ''}`])
  }
  facts.push(...labelFacts(inspection, versions))
  if (format !== undefined) facts.push(['format', `${format}, served by runtime ${runtime ?? ''}`])
  if (hooks.length > 0) facts.push(['hooks', hooks.join(', ')])
  if (onnx !== undefined) facts.push(...onnxFacts(onnx))
  if (savedModel !== undefined) facts.push(...savedModelFacts(savedModel))
  if (loaded !== undefined) facts.push(...loadedFacts(loaded, onnx !== undefined))
  if (reason !== undefined) facts.push(['cannot be served', reason])
  const labelWidth = Math.max(...facts.map(([label]) => label.length))
  const lines = facts.map(([label, value]) => `  ${label.padEnd(labelWidth)}  ${printable(value)}`)
  const signatures = loaded === undefined ? savedModel?.signatures : loaded.signatures
  const signature = loaded ?? onnx ?? signatures?.[0]
  const table = signature === undefined ? '' : `\n${signatureTable(signature, loaded?.inner, width)}\n`
  const others = (signatures ?? []).slice(1).map((other) => otherSignature(other, width))
  return `${printable(name)} version ${version}\n${lines.join('\n')}\n${table}${others.join('')}`
}

function labelFacts({ versionLabels = {} }: Inspection, versions: readonly string[]): [string, string][] {
  const labels = Object.entries(versionLabels).map(([label, version]) =>
    versions.includes(String(version)) ? `${label} is ${version}` : `${label} is ${version}, which is not served`,
  )
  return labels.length === 0 ? [] : [['labels', labels.join('; ')]]
}

/** A signature that requests choose by its name. */
function otherSignature(signature: NamedSignature, width: number | undefined): string {
  const { name, methodName } = signature
  const method = methodName === '' ? '' : ` (${methodName})`
  return `\n  signature_name ${printable(`${name}${method}`)}\n${signatureTable(signature, undefined, width)}\n`
}

function savedModelFacts({ tags, leftOut }: SavedModelFacts): [string, string][] {
  const unserved = Object.entries(leftOut).map(([name, why]): [string, string] => ['left out', `${name}: ${why}`])
  return [['tags', tags.join(', ')], ...unserved]
}

function onnxFacts(onnx: OnnxFacts): [string, string][] {
  const opsets = Object.entries(onnx.opsets).map(
    ([domain, version]) => `${domain === '' ? 'ai.onnx' : domain} ${version}`,
  )
  const producer = `${onnx.producer} ${onnx.producerVersion}`.trim()
  const operators = Object.entries(onnx.operators).toSorted(([, left], [, right]) => right - left)
  const shown = operators.slice(0, shownOperators).map(([name, count]) => `${name} × ${count}`)
  const rest = operators.length - shown.length
  const facts: [string, string][] = [
    ['opset', `${opsets.join(', ')}; IR ${onnx.irVersion}${producer === '' ? '' : `; made by ${producer}`}`],
    ['operators', `${shown.join(', ') || 'none'}${rest > 0 ? `, ${rest} more kinds` : ''}`],
  ]
  for (const { location, bytes } of onnx.externalFiles)
    facts.push(['external file', `${location} (${bytesText(bytes)})`])
  return facts
}

/** What loading chose. A parameter with a reason beside it (`device`, `device_reason`) makes one line. */
function loadedFacts(loaded: LoadedFacts, isFileKnown: boolean): [string, string][] {
  const { parameters, memoryBytes, concurrency, maxBatchSize, loadMs, platform } = loaded
  const facts: [string, string][] = [['platform', platform]]
  for (const [name, value] of Object.entries(parameters)) {
    const told = name.replace(/_reason$/, '')
    if (name !== told && parameters[told] === undefined) facts.push([told, String(value)])
    if (name !== told || (isFileKnown && (name === 'opset' || name === 'producer'))) continue
    const reason = parameters[`${name}_reason`]
    const [label, text] = withUnit(name, value)
    facts.push([label, `${text}${reason === undefined || reason === '' ? '' : `: ${reason}`}`])
  }
  const rows = maxBatchSize > 0 ? `, at most ${maxBatchSize} rows each` : ''
  if (loaded.isBatchable !== undefined) {
    facts.push(['batching', `${loaded.isBatchable ? 'yes' : 'no'}: ${loaded.batchingReason ?? ''}`])
  }
  facts.push(
    ['runs at once', `${concurrency}${rows}`],
    ['memory', bytesText(memoryBytes)],
    ['loaded in', `${Math.round(loadMs)} ms`],
  )
  return facts
}

/** `run_us`, 11 → `run`, `11 µs` */
function withUnit(name: string, value: string | number | boolean): [string, string] {
  const units: Readonly<Record<string, string>> = { us: 'µs', ms: 'ms', ns: 'ns', s: 's' }
  const [, stem = name, suffix = ''] = /^(.+)_([a-z]+)$/.exec(name) ?? []
  const unit = units[suffix]
  if (typeof value === 'number' && suffix === 'bytes') return [stem.replaceAll('_', ' '), bytesText(value)]
  return unit === undefined
    ? [name.replaceAll('_', ' '), String(value)]
    : [stem.replaceAll('_', ' '), `${value} ${unit}`]
}

interface Signature {
  readonly inputs: readonly TensorMetadata[]
  readonly outputs: readonly TensorMetadata[]
}

function signatureTable(
  { inputs, outputs }: Signature,
  inner: Signature | undefined,
  width: number | undefined,
): string {
  const rows = [
    ...inputs.map((tensor) => row('input', tensor)),
    ...outputs.map((tensor) => row('output', tensor)),
    ...(inner?.inputs ?? []).map((tensor) => row('inside hooks: input', tensor)),
    ...(inner?.outputs ?? []).map((tensor) => row('inside hooks: output', tensor)),
  ]
  return renderTable(rows, ['', 'name', 'datatype', 'shape'], width)
}

function row(side: string, tensor: TensorMetadata): string[] {
  const { name, datatype, dimensionNames = [], isAnyRank, isOptional } = tensor
  const dimensions = tensor.shape.map((size, axis) => (dimensionNames[axis] ? `${dimensionNames[axis]}=${size}` : size))
  const shape = isAnyRank === true ? 'any' : `[${dimensions.join(',')}]`
  return [side, `${name}${isOptional === true ? ' (optional)' : ''}`, datatype, shape]
}

/** As the sizes of files are read: `8.4 kB`. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${unit === 0 || value >= 99.95 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? ''}`
}
