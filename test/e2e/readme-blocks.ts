/** The code blocks of README.md: ```` ```language word ````, where the word says what a test does with the block. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../paths.ts'

export interface Block {
  readonly language: string
  /** `start`, `run`, `answer`, `file=<path>`; empty where nothing is done with it. */
  readonly word: string
  readonly text: string
  /** In README.md, from 1. */
  readonly line: number
}

export function readmeBlocks(): readonly Block[] {
  return blocksOf('README.md')
}

/** @param file of Markdown, from the root of the repository */
export function blocksOf(file: string): readonly Block[] {
  const readme = readFileSync(join(root, file), 'utf8')
  return [...readme.matchAll(/^```(\w+)(?: ([^\n]*))?\n([\s\S]*?)^```$/gm)].map((found) => ({
    language: found[1] ?? '',
    word: found[2] ?? '',
    text: found[3] ?? '',
    line: readme.slice(0, found.index).split('\n').length,
  }))
}
