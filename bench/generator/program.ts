/** Program: loads a server as it is told in one JSON argument and prints the account as one JSON line; see run.ts. */
import { readFileSync } from 'node:fs'
import { generate } from './generate.ts'
import type { Asked } from './run.ts'

const { bodyFile, target, ...options } = JSON.parse(process.argv[2] ?? '') as Asked // from run.ts
const body = readFileSync(bodyFile)
const whole =
  target.kind === 'rest'
    ? ({ ...target, request: body.length === 0 ? target.request : { ...target.request, body } } as const)
    : ({ ...target, request: { ...target.request, message: body } } as const)
console.log(JSON.stringify(await generate({ ...options, target: whole })))
process.exit() // connections of a run that was cut off hold it no longer
