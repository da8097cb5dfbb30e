/** The content type of an answer, as Go's `net/http` and KServe's router tell it. */
import type { Payload } from './payload.ts'

/** Bytes looked at. */
const sniffed = 512

const signatures: readonly (readonly [prefix: string, type: string])[] = [
  ['%PDF-', 'application/pdf'],
  ['%!PS-Adobe-', 'application/postscript'],
  ['\xfe\xff', 'text/plain; charset=utf-16be'],
  ['\xff\xfe', 'text/plain; charset=utf-16le'],
  ['\xef\xbb\xbf', 'text/plain; charset=utf-8'],
  ['\x89PNG\r\n\x1a\n', 'image/png'],
  ['\xff\xd8\xff', 'image/jpeg'],
  ['GIF87a', 'image/gif'],
  ['GIF89a', 'image/gif'],
  ['BM', 'image/bmp'],
  ['PK\x03\x04', 'application/zip'],
  ['\x1f\x8b\x08', 'application/x-gzip'],
  ['\x00asm', 'application/wasm'],
]

const htmlTags =
  /^[\t\n\f\r ]*<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p|!--)[ >]/i

/** The type of an answer's body; undefined for an empty one, which has none. */
export function contentTypeOf(payload: Payload): string | undefined {
  if (payload.headerLength !== undefined) return 'application/octet-stream'
  if (payload.isTensors) return 'application/json'
  const bytes = payload.asBytes()
  if (bytes.length === 0) return undefined
  return payload.isJson ? 'application/json' : sniff(bytes)
}

/** What the first bytes look like (the WHATWG's MIME sniffing, as far as models answer such things). */
function sniff(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(sniffed, bytes.length)).toString('latin1')
  if (htmlTags.test(text) || /^[\t\n\f\r ]*<!--/.test(text)) return 'text/html; charset=utf-8'
  if (/^[\t\n\f\r ]*<\?xml/.test(text)) return 'text/xml; charset=utf-8'
  for (const [prefix, type] of signatures) if (text.startsWith(prefix)) return type
  if (text.startsWith('RIFF') && text.startsWith('WEBPVP', 8)) return 'image/webp'
  if (text.startsWith('RIFF') && text.startsWith('WAVE', 8)) return 'audio/wave'
  const isBinary = /[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text)
  return isBinary ? 'application/octet-stream' : 'text/plain; charset=utf-8'
}
