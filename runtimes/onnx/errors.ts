/** onnxruntime's texts, made readable. */
import { InferenceError, messageOf } from '../../src/runtime/index.ts'
import type { OnnxFile } from './model-file.ts'

/** No reason needs more; some of onnxruntime's texts hold whole tensors. */
const longestText = 400

/** The reason without source paths, C++ signatures and line breaks of onnxruntime's build. */
export function shorten(message: string): string {
  const text = message
    .replace(/\/onnxruntime_src\/\S+:\d+ (.*?\) (?=[A-Z]))?/g, '')
    .replace(/\s+/g, ' ')
    .replace(/^Non-zero status code returned while running /, 'running ')
    .replace(/ Name:'' Status Message:/, ':')
    .trim()
  return text.length > longestText ? `${text.slice(0, longestText)}…` : text
}

/** Why onnxruntime refused a file, and what to do. */
export function describeOpenError(file: string, description: OnnxFile, reason: unknown): InferenceError {
  const message = messageOf(reason)
  const text = shorten(message.replace(/^Load model from .*? failed:/s, ''))
  return new InferenceError('failed_precondition', `model file '${file}': ${explain(message, description) ?? text}`, {
    cause: reason,
  })
}

function explain(message: string, description: OnnxFile): string | undefined {
  const [, ir, maxIr] = /Unsupported model IR version: (\d+), max supported IR version: (\d+)/.exec(message) ?? []
  if (ir !== undefined) {
    return `IR version ${ir} is newer than this onnxruntime-node reads (up to ${maxIr}): install a newer onnxruntime-node, or export the model with an older ONNX`
  }
  const [, opset, domain, till] = /Opset (\d+) is under .* domain (\S+) is till opset (\d+)/s.exec(message) ?? []
  if (opset !== undefined) {
    return `opset ${opset} of ${domain} is newer than this onnxruntime-node knows (up to ${till}): install a newer onnxruntime-node, or export with opset ${till} or lower`
  }
  const [, operator] = /Fatal error: (\S+?)\(-?\d+\) is not a registered function/.exec(message) ?? []
  if (operator !== undefined) {
    return `operator '${operator}' is unknown to onnxruntime: it comes from a custom operator library, which is not supported`
  }
  if (/Type Error: /.test(message)) {
    const [, detail = message] = /Type Error: ([\s\S]*)/.exec(message) ?? []
    return `the graph contradicts itself: ${shorten(detail)} Export it again, and check it with onnx.checker.check_model`
  }
  if (message.includes('Protobuf parsing failed')) {
    return `is damaged (${description.fileBytes} bytes): onnxruntime cannot parse it. Copy or download it again`
  }
  const [, provider] = /AppendExecutionProvider_(\w+): /.exec(message) ?? []
  if (provider !== undefined) {
    return `onnxruntime cannot start its ${provider} provider (${shorten(message)}): ldd libonnxruntime_providers_${provider.toLowerCase()}.so shows which library is missing`
  }
  return undefined
}
