/** The kinds of pictures that are taken, by their first bytes: nothing else reaches a decoder. */

export type ImageKind = 'PNG' | 'JPEG' | 'WebP' | 'GIF' | 'TIFF'

const signatures: readonly (readonly [ImageKind, RegExp])[] = [
  ['PNG', /^\x89PNG\r\n\x1a\n/],
  ['JPEG', /^\xff\xd8\xff/],
  ['WebP', /^RIFF[^]{4}WEBP/],
  ['GIF', /^GIF8[79]a/],
  ['TIFF', /^(II[*+]\0|MM\0[*+])/],
]

/** undefined where the bytes begin like none of them. */
export function imageKind(bytes: Uint8Array): ImageKind | undefined {
  const head = latin1(bytes, 16)
  return signatures.find(([, signature]) => signature.test(head))?.[0]
}

/** Why such bytes are refused, as the rest of a sentence that begins with their place. */
export function notAnImage(bytes: Uint8Array): string {
  const taken = 'PNG, JPEG, WebP, GIF and TIFF are taken'
  if (bytes.byteLength === 0) return `is empty; ${taken}`
  const head = latin1(bytes, 1024).trimStart()
  if (/^(\xef\xbb\xbf)?\s*<(\?xml|!DOCTYPE|!--|svg)/i.test(head)) return `is SVG or other XML; ${taken}`
  if (/^(iVBORw0KGgo|\/9j\/|UklGR|R0lGOD|SUkq|TU0AK)/.test(head)) {
    return 'is base64 text; send {"b64": "…"} in V1, or the raw bytes as binary data in V2'
  }
  return `is no image; ${taken}`
}

function latin1(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(length, bytes.byteLength)).toString('latin1')
}
