/** Runs in a child process: opens the model named on the command line, so that onnxruntime's warnings go to stderr. */
import { argv } from 'node:process'
import { importOrt } from './native.ts'

const warning = 2

const [, , file = ''] = argv
const ort = await importOrt()
ort.env.logLevel = 'warning'
const session = await ort.InferenceSession.create(file, { executionProviders: ['cpu'], logSeverityLevel: warning })
await session.release()
