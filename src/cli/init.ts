/** `servable init`: writes a small project with a passing test. */
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { InferenceError, messageOf } from '../core/errors.ts'
import { version } from '../server/version.ts'
import type { Io } from './infer.ts'
import { projectFiles, projectKinds, type ProjectKind } from './init-templates.ts'

const usage = `Usage: servable init runtime | predictor | transformer <name>

  runtime      a package that serves a model format of your own
  predictor    a model written in JavaScript
  transformer  a model that asks another one, with work before and after

<name> is the folder that is made; one that holds files is left alone.`

/**
 * @param args what follows `init` on the command line
 * @returns exit status: 0, 2 for wrong usage or a folder that is in use
 */
export async function runInit(args: readonly string[], io: Io): Promise<number> {
  if (args.some((text) => text === '--help' || text === '-h')) {
    io.stdout.write(`${usage}\n`)
    return 0
  }
  try {
    const [kind, target] = parse(args)
    const directory = resolve(target)
    const files = projectFiles(kind, basename(directory), version)
    await writeProject(directory, files)
    io.stdout.write(`${[...files.keys()].map((file) => join(target, file)).join('\n')}\n\n`)
    io.stdout.write(`Next: cd ${target} && npm install && npm test\n`)
    return 0
  } catch (reason) {
    io.stderr.write(`servable init: ${messageOf(reason)}\n`)
    return 2
  }
}

function parse(args: readonly string[]): readonly [ProjectKind, string] {
  const [kind, target, ...rest] = args
  const known = projectKinds.find((one) => one === kind)
  if (known === undefined || target === undefined || rest.length > 0) throw invalid(usage)
  if (!/^[a-z][a-z0-9-]*$/.test(basename(resolve(target)))) {
    throw invalid(`'${basename(target)}' is no name: it begins with a small letter, and has these, digits and hyphens`)
  }
  return [known, target]
}

/** Nothing that exists is touched, not even by a second run at the same time. */
async function writeProject(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  await mkdir(directory, { recursive: true })
  if ((await readdir(directory)).length > 0) throw invalid(`${directory} is not empty: name a folder that is, or none`)
  for (const [file, text] of files) {
    const path = join(directory, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text, { flag: 'wx' })
  }
}

function invalid(message: string): InferenceError {
  return new InferenceError('invalid_argument', message)
}
