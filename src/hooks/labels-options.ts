/** The keys of `hooks: - labels:` in a model.yaml. */
import { z } from 'zod'

export const labelsOptions = z.strictObject({
  /** One label per line, or a JSON array of strings; the model's `labels` where absent. */
  file: z.string().min(1).optional(),
  /** Name of the model's output with one score per class in its last dimension; may be left out where it has only one. */
  output: z.string().min(1).optional(),
  top_k: z.int().min(1).max(1000).default(5),
  label_output: z.string().min(1).default('labels'),
  score_output: z.string().min(1).default('scores'),
})

export type LabelsOptions = z.infer<typeof labelsOptions>
