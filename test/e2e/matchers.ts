/** Matchers for parts of objects, as `unknown` rather than the `any` that vitest gives them. */
import { expect } from 'vitest'

export const someText: unknown = expect.any(String)
export const containing = (text: string): unknown => expect.stringContaining(text)
export const matching = (pattern: RegExp): unknown => expect.stringMatching(pattern)
