/** Looks at an OpenAI answer while it passes: when its text comes, and how many tokens it tells of. */
import { bringsText, usageInTail, usageOf, type TokenUsage } from '../codec/openai-usage.ts'
import type { TokenEvent } from '../dataplane/dataplane.ts'

/** A longer answer, such as many embeddings, is not read again for its usage: its end says enough. */
const longestRead = 64 * 1024
const tailBytes = 4096

export class TokenWatch {
  readonly #tell: (event: TokenEvent) => void
  #since: number
  #texts = 0
  #usage: TokenUsage | undefined
  #kept: Uint8Array[] = []
  #keptBytes = 0
  #isCut = false

  /** @param now milliseconds, when the request was sent */
  constructor(tell: (event: TokenEvent) => void, now: number) {
    this.#tell = tell
    this.#since = now
  }

  /** One event of a stream, by its data. */
  event(data: string, now: number): void {
    if (bringsText(data)) {
      this.#texts += 1
      this.#tell({ kind: this.#texts === 1 ? 'first' : 'next', ms: now - this.#since })
      this.#since = now
    }
    this.#usage = usageOf(data) ?? this.#usage
  }

  /** A piece of an answer that is one JSON value. */
  piece(bytes: Uint8Array): void {
    this.#kept.push(bytes)
    this.#keptBytes += bytes.byteLength
    if (this.#keptBytes <= longestRead) return
    this.#isCut = true
    const tail = Buffer.concat(this.#kept).subarray(-tailBytes)
    this.#kept = [tail]
    this.#keptBytes = tail.length
  }

  /** The answer has ended well. A stream that tells no usage has as many tokens as events with text. */
  end(): void {
    if (this.#kept.length > 0) {
      const text = Buffer.concat(this.#kept).toString()
      this.#usage = this.#isCut ? usageInTail(text) : usageOf(text)
    }
    const counted = this.#texts === 0 ? {} : { completionTokens: this.#texts }
    if (this.#usage !== undefined || this.#texts > 0) this.#tell({ kind: 'usage', ...counted, ...this.#usage })
  }
}
