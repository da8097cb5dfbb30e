/** The cases, asked of the app by inject. */
import { afterAll, describe, it } from 'vitest'
import { binaryCases, healthCases, inferCases, v1Cases } from './cases.ts'
import { checkCase } from './check.ts'
import { createTestApp } from './models.ts'

const app = createTestApp()
afterAll(() => app.close())

const check = checkCase(app)

describe('health and metadata', () => {
  it.each(healthCases)('$title: $request', check)
})
describe('V2 infer', () => {
  it.each(inferCases)('$title', check)
})
describe('V2 infer with binary tensors', () => {
  it.each(binaryCases)('$title', check)
})
describe('V1', () => {
  it.each(v1Cases)('$title: $request', check)
})
