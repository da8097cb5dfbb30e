/** Whether a text is JSON at all. */

/** True for one JSON value with nothing but white space around it. */
export function isValidJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}
