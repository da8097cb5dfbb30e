/** `warmup` in `model.yaml`: requests that a model answers before its first caller. */
import { z } from 'zod'
import { dataTypes } from '../core/tensor.ts'

/** Enough to compile, to allocate and to measure; more is a load test. */
export const mostWarmUps = 1000

const input = z
  .strictObject({
    name: z.string().min(1),
    /** Of the model's input where absent. */
    datatype: z.enum(dataTypes).optional(),
    /** As the model's input where absent, each free dimension 1. */
    shape: z.array(z.int().min(0)).optional(),
    /** As in V2 JSON. */
    data: z.unknown().optional(),
    random: z.boolean().optional(),
    zero: z.boolean().optional(),
    /** File with the elements as the model takes them: little-endian, BYTES with their lengths; within the model's directory. */
    raw_file: z.string().min(1).optional(),
  })
  .superRefine(({ data, random, zero, raw_file: file, datatype, shape }, context) => {
    const given = [data !== undefined, random === true, zero === true, file !== undefined].filter(Boolean).length
    if (given !== 1) {
      context.addIssue({ code: 'custom', message: 'give one of data, random: true, zero: true and raw_file' })
    }
    if ((data !== undefined || file !== undefined) && (datatype === undefined || shape === undefined)) {
      context.addIssue({ code: 'custom', message: 'data and raw_file need datatype and shape beside them' })
    }
  })

const keys = z.strictObject({
  /** V2 JSON: one request, an array of them, or one after the other. */
  file: z.string().min(1).optional(),
  inputs: z.array(input).min(1).optional(),
  /** Names of the outputs wanted. */
  outputs: z.array(z.string().min(1)).min(1).optional(),
  /** Times that it runs. */
  count: z.int().min(1).max(mostWarmUps).optional(),
})

const request = keys.superRefine(({ file, inputs, outputs }, context) => {
  if ((file === undefined) === (inputs === undefined)) {
    context.addIssue({ code: 'custom', message: 'give one of file and inputs' })
  }
  if (file !== undefined && outputs !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['outputs'],
      message: 'the requests in the file say which outputs they want',
    })
  }
})

/** A file alone stands for `{file}`. */
export const warmUpSchema = z
  .array(
    z.union([
      z
        .string()
        .min(1)
        .transform((file): z.infer<typeof request> => ({ file })),
      request,
    ]),
  )
  .max(mostWarmUps)

export type WarmUpYaml = z.infer<typeof warmUpSchema>[number]
export type WarmUpInput = z.infer<typeof input>

export const warmUpKeys: readonly string[] = Object.keys(keys.shape)
export const warmUpInputKeys: readonly string[] = Object.keys(input.shape)
