/** Says in words what the number means: adds `diagnosis`, BYTES [n], to the model's `predict`, the probability of benign. */

export const outputs = [
  { name: 'predict', datatype: 'FP32', shape: [-1, 1] },
  { name: 'diagnosis', datatype: 'BYTES', shape: [-1] },
]

const [benign, malignant] = ['benign', 'malignant'].map((word) => new TextEncoder().encode(word))

export function postprocess(response) {
  const predict = response.outputs.find((output) => output.name === 'predict')
  const data = Array.from(predict.data, (probability) => (probability >= 0.5 ? benign : malignant))
  const diagnosis = { name: 'diagnosis', datatype: 'BYTES', shape: [data.length], data }
  return { ...response, outputs: [...response.outputs, diagnosis] }
}
