/** What a file or directory on disk is: the format of a model, by its name and, where that is not enough, its first bytes. */
import { open } from 'node:fs/promises'

/** Formats that one extension stands for. */
const byExtension: ReadonlyMap<string, string> = new Map(
  Object.entries({
    '.onnx': 'onnx',
    '.ort': 'onnx',
    '.ubj': 'xgboost',
    '.joblib': 'sklearn',
    '.pkl': 'sklearn',
    '.pickle': 'sklearn',
    '.pt': 'pytorch',
    '.pth': 'pytorch',
    '.h5': 'keras',
    '.keras': 'keras',
    '.tflite': 'tflite',
    '.gguf': 'gguf',
    '.pmml': 'pmml',
    '.cbm': 'catboost',
  }),
)

/** Formats that run the code of another language when they are read: no runtime in this process can. */
const foreign: ReadonlyMap<string, string> = new Map(
  Object.entries({
    sklearn: 'a Python pickle runs Python code when it is read; export the model to ONNX (skl2onnx)',
    pytorch: 'it needs Python; export the model to ONNX (torch.onnx.export)',
    keras: 'it needs Python; export a SavedModel, or ONNX (tf2onnx)',
  }),
)

/** Bytes that tell tfjs from XGBoost and LightGBM from XGBoost. */
const headBytes = 4096

/**
 * The format of a file, undefined where it is none of a model.
 *
 * @param path absolute
 * @param name its name, without the directory
 */
export async function formatOfFile(path: string, name: string): Promise<string | undefined> {
  const lower = name.toLowerCase()
  // Names of their own; other JSON files beside a model are samples, tokenizers, configurations.
  if (lower === 'model.json')
    return /"(modelTopology|weightsManifest)"|-model"/.test(await head(path)) ? 'tfjs' : 'xgboost'
  if (lower.endsWith('.bst')) return (await head(path)).startsWith('tree') ? 'lightgbm' : 'xgboost'
  if (lower === 'model.txt') return /^tree\s*\n/.test(await head(path)) ? 'lightgbm' : undefined
  const dot = lower.lastIndexOf('.')
  return dot <= 0 ? undefined : byExtension.get(lower.slice(dot))
}

/** True for the files that make the directory around them a TensorFlow SavedModel. */
export function isSavedModelFile(name: string): boolean {
  return name === 'saved_model.pb' || name === 'saved_model.pbtxt'
}

/** Why a format is not served. */
export function unservedReason(format: string, formats: readonly string[]): string {
  const served = formats.length === 0 ? 'none' : formats.join(', ')
  const reason = foreign.get(format)
  return reason === undefined
    ? `no runtime for format ${format} is installed; formats served: ${served}`
    : `format ${format} cannot be served in process: ${reason}; formats served: ${served}`
}

async function head(path: string): Promise<string> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0)
    return buffer.toString('latin1', 0, bytesRead)
  } finally {
    await file.close()
  }
}
