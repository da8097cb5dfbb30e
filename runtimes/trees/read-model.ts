/** Which library wrote a file, by its first bytes, and what it holds. */
import type { Ensemble } from './ensemble.ts'
import { readLightgbm } from './lightgbm.ts'
import { refused } from './refused.ts'
import { parseUbjson } from './ubjson.ts'
import { readXgboost } from './xgboost.ts'

export interface ReadOptions {
  /** See XgboostOptions. */
  readonly allRounds: boolean
}

/** A text is one string of Node's. */
const mostTextBytes = 500_000_000

/** @throws InferenceError `failed_precondition` naming what is wrong with the bytes, or what they hold that is not supported */
export function readModel(bytes: Buffer, options: ReadOptions): Ensemble {
  if (bytes.length === 0) throw refused('it is empty (0 bytes): copy or download it again')
  const head = bytes.toString('latin1', 0, 256)
  if (head.startsWith('version https://git-lfs')) {
    throw refused('it is a Git LFS pointer, not the model: run `git lfs pull` where it was cloned')
  }
  if (/^\s*(<!|<html|<\?xml)/i.test(head)) throw refused('it is HTML or XML, perhaps the error page of a download')
  if (/^tree\s*\n/.test(head)) return readLightgbm(text(bytes))
  if (isUbjson(bytes)) return readXgboost(parseUbjson(bytes), options)
  if (/^\s*\{/.test(head)) return readXgboost(parseJson(text(bytes)), options)
  if (head.startsWith('binf') || looksBinary(bytes)) throw refused(oldBinary)
  throw refused('it is neither a model of XGBoost (.json, .ubj) nor the text of a LightGBM model (.txt, .bst)')
}

/** XGBoost reads it until 2.x, and writes it no more. */
const oldBinary =
  'it is in the deprecated binary format of XGBoost, or no model: convert it where XGBoost 2.x or older is installed: ' +
  `python -c "import xgboost; xgboost.Booster(model_file='model.bst').save_model('model.json')"`

/** `{` and the length of the first name, with or without a filler. */
function isUbjson(bytes: Buffer): boolean {
  return bytes[0] === 0x7b && /^[iUIlL]$/.test(String.fromCharCode(bytes[1] ?? 0)) && bytes.includes(0)
}

/** Texts hold no NUL. */
function looksBinary(bytes: Buffer): boolean {
  return bytes.subarray(0, 4096).includes(0)
}

function text(bytes: Buffer): string {
  if (bytes.length <= mostTextBytes) return bytes.toString('utf8')
  throw refused(`it has ${bytes.length} bytes, more than the ${mostTextBytes} of a text. Save it as .ubj`)
}

/** XGBoost writes NaN and Infinity into statistics that nobody reads; JSON has no words for them. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (reason) {
    try {
      return JSON.parse(text.replace(/([[,:]\s*)(?:NaN|-?Infinity|-?inf|-?nan)(?=\s*[\],}])/g, '$1null'))
    } catch {
      throw refused(`it is no JSON, or cut short: ${reason instanceof Error ? reason.message : ''}`)
    }
  }
}
